// The server resolves .env and DATA_DIR against the directory where it was started, not against its own, to which
// prepare.mjs changes when it is imported.
const directory = process.cwd();
const { ensureBuilt } = await import('./prepare.mjs');
await ensureBuilt();
process.chdir(directory);
await import('../dist/src/main.js');
