// Runs a program of a package, such as ESLint, with the packages of developers installed.
import { spawnSync } from 'node:child_process';
import { ensureInstalled } from './prepare.mjs';

await ensureInstalled({ forDevelopers: true });
const [program, ...args] = process.argv.slice(2);
const { status } = spawnSync(`node_modules/.bin/${program}`, args, {
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
process.exit(status ?? 1);
