// Makes `npm start`, `npm test` and the other commands work on a fresh clone: installs and builds if a result is
// missing or older than its sources, and only then.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';

const root = resolve(import.meta.dirname, '..');
process.chdir(root);

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

function newestIn(directory) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((newest, entry) => Math.max(newest, modified(join(entry.parentPath, entry.name))), 0);
}

/** npm writes this file when an installation is complete. */
const INSTALLED = 'node_modules/.package-lock.json';

/** The tests, the linters and the types, which serving and building do without. */
const isDeveloperReady = () =>
  Object.keys(readJson('package.json').devDependencies).every((name) =>
    existsSync(join('node_modules', name)),
  );

/**
 * Installs the packages that serving and building need.
 *
 * @param forDevelopers true: also those of the tests and the other developer commands, which are two thirds
 */
export async function ensureInstalled({ forDevelopers = false } = {}) {
  const isComplete = existsSync(INSTALLED);
  const hasDeveloperPackages = isComplete && isDeveloperReady();
  if (modified(INSTALLED) >= modified('package-lock.json') && (hasDeveloperPackages || !forDevelopers))
    return;

  const all = forDevelopers || hasDeveloperPackages;
  const { packages } = readJson('package-lock.json');
  // Optional packages are for one platform each.
  const paths = Object.keys(packages).filter((path) => {
    const { dev, optional } = packages[path];
    return path !== '' && !optional && (all || !dev);
  });
  console.log(`Installing ${all ? 'all packages' : 'the packages of the server'} (once) …`);
  const stopReporting = reportProgress(paths);
  // `npm install` leaves in place what is there: a running server still needs it.
  // NODE_ENV=production would leave out the packages of developers.
  const npm = spawn(
    'npm',
    [
      ...(isComplete ? ['install', '--no-save'] : ['ci']),
      all ? '--include=dev' : '--omit=dev',
      ...['--no-audit', '--no-fund', '--loglevel=error', '--progress=false'],
    ],
    { stdio: 'inherit', shell: process.platform === 'win32' },
  );
  const status = await new Promise((end) => npm.on('exit', end).on('error', () => end(1)));
  stopReporting();
  if (status !== 0) process.exit(status ?? 1);
}

/** Prints how many of the packages are there: every second on a terminal, every 10 seconds elsewhere. */
function reportProgress(paths) {
  const { isTTY } = process.stdout;
  const timer = setInterval(
    () => {
      const count = paths.filter((path) => existsSync(join(path, 'package.json'))).length;
      const line = count === 0 ? 'downloading' : `${count} of ${paths.length} packages`;
      process.stdout.write(isTTY ? `\r  ${line}   ` : `  ${line}\n`);
    },
    isTTY ? 1_000 : 10_000,
  );
  return () => {
    clearInterval(timer);
    if (isTTY) process.stdout.write('\r'.padEnd(40) + '\r');
  };
}

/** nest-cli.json says what is built, as it does to Nest's own CLI, whose 139 packages are not needed for it. */
const NEST_CLI = readJson('nest-cli.json');
export const { tsConfigPath } = NEST_CLI.compilerOptions;
const { outDir } = readJson('tsconfig.json').compilerOptions;
/** The built program. */
export const ENTRY_FILE = join(outDir, `${NEST_CLI.entryFile}.js`);

/** @param options of `ensureInstalled` */
export async function ensureBuilt(options) {
  await ensureInstalled(options);
  const sources = ['ormconfig.ts', 'tsconfig.json', tsConfigPath, 'nest-cli.json', INSTALLED].map(modified);
  if (modified(ENTRY_FILE) > Math.max(newestIn(NEST_CLI.sourceRoot), ...sources)) return;
  build();
}

/**
 * Compiles TypeScript. Without the packages of developers, types are not checked: those of Node.js and others
 * are among them. The JavaScript is the same.
 */
export function build() {
  console.log('Building …');
  if (NEST_CLI.compilerOptions.deleteOutDir) rmSync(outDir, { recursive: true, force: true });
  // `--types null`: not the types that tsconfig.json names, which are not there.
  const checks = isDeveloperReady() ? ['--noEmitOnError'] : ['--noCheck', '--types', 'null'];
  const { status } = spawnSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', tsConfigPath, ...checks],
    { stdio: 'inherit' },
  );
  if (status !== 0) process.exit(status ?? 1);
}
