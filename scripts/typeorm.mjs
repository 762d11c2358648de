// The TypeORM CLI on the built ormconfig: `npm run migration:run`, `migration:revert`, `migration:show`.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { ensureBuilt } from './prepare.mjs';

await ensureBuilt();
if (existsSync('.env')) process.loadEnvFile('.env');
const [command, ...options] = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  ['node_modules/typeorm/cli.js', command, '--dataSource', 'dist/ormconfig.js', ...options],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
