import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Stands in for npm, which would need the network: it notes its arguments, and makes the folders of packages. */
const NPM = `#!${process.execPath}
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
const args = process.argv.slice(2);
appendFileSync('npm.log', args.join(' ') + '\\n');
const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const names = Object.keys(args.includes('--omit=dev') ? dependencies : { ...dependencies, ...devDependencies });
for (const name of names) mkdirSync('node_modules/' + name, { recursive: true });
writeFileSync('node_modules/.package-lock.json', '{}');
`;

let clone: string;

/** Runs this of scripts/prepare.mjs in the clone. @returns the calls of npm so far */
function run(call: string): string[] {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `await (await import('${clone}/scripts/prepare.mjs')).${call}`],
    { cwd: clone, encoding: 'utf8', env: { PATH: `${clone}/bin:${process.env.PATH}` } },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return readFileSync(join(clone, 'npm.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.replace(/ --no-audit.*/, ''));
}

const FOR_SERVER = 'ensureInstalled()';
const FOR_DEVELOPERS = 'ensureInstalled({ forDevelopers: true })';

beforeAll(() => {
  clone = mkdtempSync(join(process.env.TEST_DIRECTORY!, 'clone-'));
});
afterAll(() => rmSync(clone, { recursive: true, force: true }));

beforeEach(() => {
  rmSync(clone, { recursive: true, force: true });
  mkdirSync(join(clone, 'bin'), { recursive: true });
  for (const name of ['scripts', 'package.json', 'package-lock.json', 'nest-cli.json', 'tsconfig.json'])
    cpSync(name, join(clone, name), { recursive: true });
  writeFileSync(join(clone, 'bin/npm'), NPM);
  chmodSync(join(clone, 'bin/npm'), 0o755);
  writeFileSync(join(clone, 'npm.log'), '');
});

describe('a fresh clone', () => {
  it('installs what serving needs with the first start, and the rest with the first test, in place', () => {
    expect(run(FOR_SERVER)).toEqual(['ci --omit=dev']);
    expect(run(FOR_SERVER)).toHaveLength(1);
    expect(run(FOR_DEVELOPERS)).toEqual(['ci --omit=dev', 'install --no-save --include=dev']);
    expect(run(FOR_DEVELOPERS)).toHaveLength(2);
  });

  it('installs everything with the first test, and nothing with a later start', () => {
    expect(run(FOR_DEVELOPERS)).toEqual(['ci --include=dev']);
    expect(run(FOR_SERVER)).toHaveLength(1);
  });

  it('keeps the packages of developers when a start installs new versions', () => {
    run(FOR_DEVELOPERS);
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(clone, 'package-lock.json'), later, later);
    expect(run(FOR_SERVER)[1]).toBe('install --no-save --include=dev');
  });
});

it('the server and its scripts import only packages of an installation without those of developers', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const scripts = ['start', 'build', 'prepare', 'command', 'openapi', 'schema-dump', 'typeorm'];
  const files = [
    ...readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((name) => /(?<!\.spec|\.d)\.[jt]s$/.test(name))
      .map((name) => join('src', name)),
    'ormconfig.ts',
    ...scripts.map((name) => `scripts/${name}.mjs`),
  ];
  const imported = files.flatMap((file) =>
    [
      ...readFileSync(file, 'utf8').matchAll(
        /^(?!import type).*(?:from|import\() ?'((?:@[\w.-]+\/)?[a-z][\w.:-]*)/gm,
      ),
    ].map(([, name]) => name),
  );
  expect(imported).toContain('typeorm');
  const missing = imported.filter((name) => !name.startsWith('node:') && dependencies[name] === undefined);
  expect(missing).toEqual([]);
});
