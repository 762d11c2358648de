import { ensureBuilt } from './prepare.mjs';

// The server loads .env and DATA_DIR from where it was started, not from where it lives.
const directory = process.cwd();
ensureBuilt();
process.chdir(directory);
await import('../dist/src/main.js');
