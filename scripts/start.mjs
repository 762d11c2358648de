import { ensureBuilt } from './prepare.mjs';

// The server resolves .env and DATA_DIR against the directory where it was started, not against its own.
const directory = process.cwd();
await ensureBuilt();
process.chdir(directory);
await import('../dist/src/main.js');
