// Makes `npm start` and `npm test` work on a fresh clone: installs and builds if a result is missing or older
// than its sources, and only then.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
process.chdir(root);

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newestIn(directory) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((newest, entry) => Math.max(newest, modified(join(entry.parentPath, entry.name))), 0);
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** npm writes this file when an installation is complete. */
const INSTALLED = 'node_modules/.package-lock.json';

export function ensureInstalled() {
  if (modified(INSTALLED) >= modified('package-lock.json')) return;
  console.log('Installing dependencies (once) …');
  // Includes the compiler, which NODE_ENV=production would leave out.
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
}

export function ensureBuilt() {
  ensureInstalled();
  const sources = ['ormconfig.ts', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json', INSTALLED].map(
    modified,
  );
  if (modified('dist/src/main.js') > Math.max(newestIn('src'), ...sources)) return;
  console.log('Building …');
  run(process.execPath, ['node_modules/@nestjs/cli/bin/nest.js', 'build']);
}
