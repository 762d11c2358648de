// Runs Jest with ES modules, on a fresh build: some tests start server processes.
import { spawnSync } from 'node:child_process';
import { ensureBuilt } from './prepare.mjs';

await ensureBuilt({ forDevelopers: true });
const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
