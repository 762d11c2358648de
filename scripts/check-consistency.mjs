// `npm run check:consistency`: the checker of tools/consistency, on a build that is up to date.
import { spawnSync } from 'node:child_process';
import { ensureBuilt } from './prepare.mjs';

ensureBuilt();
const { status } = spawnSync(
  process.execPath,
  ['--import', 'tsx', 'tools/consistency/main.ts', ...process.argv.slice(2)],
  { stdio: 'inherit' },
);
process.exit(status ?? 2);
