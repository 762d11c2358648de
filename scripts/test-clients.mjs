// `npm run test:clients`. Its tools bring 500 packages, so they are a project of their own, installed on first use.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const PROJECT = 'test/clients';
// npm writes the second file when an installation is complete.
if (modified(`${PROJECT}/package-lock.json`) > modified(`${PROJECT}/node_modules/.package-lock.json`)) {
  console.log(`Installing ${PROJECT} (once) …`);
  run('npm', ['ci', '--prefix', PROJECT, '--no-audit', '--no-fund', '--loglevel=error']);
}
run(process.execPath, ['scripts/test.mjs', '--config', 'jest.clients.config.js', ...process.argv.slice(2)]);
