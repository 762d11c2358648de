import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { createDatabase, runSql } from './support/database.js';
import { endServersAfterEach, freshDirectory, spawn } from './support/embedded-server.js';
import { ServerProcess } from './support/server.js';
import { until } from './support/until.js';

endServersAfterEach();

const MAIN = resolve('dist/src/main.js');

/** @returns the whole output of a start that ends with 1 */
async function failedStart(env: Record<string, string>, command?: [string, ...string[]]): Promise<string> {
  const server = await spawn(env, command);
  expect((await server.exited).code).toBe(1);
  return server.output;
}

/** A start in a directory with this `.env`. */
function failedStartWithFile(text: string, env: Record<string, string> = {}): Promise<string> {
  const directory = freshDirectory();
  mkdirSync(directory);
  writeFileSync(join(directory, '.env'), text);
  const shell = `cd '${directory}' && exec '${process.execPath}' '${MAIN}'`;
  return failedStart({ DATA_DIR: join(directory, 'data'), ...env }, ['sh', '-c', shell]);
}

describe('a port that another process has', () => {
  it('stops the start with one line, before a database is made', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const DATA_DIR = freshDirectory();
    const output = await failedStart({ PORT: String(port), DATA_DIR });
    other.close();
    expect(output).toBe(
      `Tidemark cannot start: port ${port} of 127.0.0.1 is in use by another process; PORT sets another one\n`,
    );
    expect(existsSync(DATA_DIR)).toBe(false);
  });
});

describe('an address that is not of this machine', () => {
  it('stops the start with one line that names it', async () => {
    expect(await failedStart({ HOST: '192.0.2.1', DATA_DIR: freshDirectory() })).toMatch(
      /^Tidemark cannot start: port \d+ of 192\.0\.2\.1 cannot be had: [^\n]*EADDRNOTAVAIL[^\n]*\n$/,
    );
  });
});

describe('a name that is no setting', () => {
  it('stops the start when it is in .env, with the right one, beside all other problems', async () => {
    const output = await failedStartWithFile(
      'DATABASE_UL=postgres://a.example/x\nLOG_LEVEL=loud\nPGSSLMODE=require\n',
      {
        LOG_LEVEL: '',
      },
    );
    expect(output).toMatch(
      /^Tidemark cannot start: Bad configuration: DATABASE_UL in \.env is not a setting \(did you mean DATABASE_URL\?\)/,
    );
    expect(output.split('\n')).toHaveLength(2);
    expect(output).not.toContain('PGSSLMODE');
  });

  it('stops the start when it misspells a setting in the environment', async () => {
    const DATA_DIR = freshDirectory();
    expect(await failedStart({ DATABSE_URL: 'postgres://a.example/x', HOSTNAME: 'web-1', DATA_DIR })).toBe(
      'Tidemark cannot start: Bad configuration: DATABSE_URL is not a setting (did you mean DATABASE_URL? ' +
        'If not, set DATABASE_URL, too, be it empty)\n',
    );
    expect(existsSync(DATA_DIR)).toBe(false);
  });
});

describe('a data directory that cannot be made', () => {
  it.each([
    ['below a directory that takes none', '/proc/tidemark/data', '/proc/tidemark/data'],
    ['a directory that takes none', '/proc', '/proc/postgres'],
    ['a file', MAIN, MAIN],
  ])('stops the start with one line that names it: %s', async (_what, DATA_DIR, named) => {
    const output = await failedStart({ DATA_DIR });
    expect(output).toMatch(/^Tidemark cannot start: DATA_DIR [^\n]* cannot be used: [^\n]*\n$/);
    expect(output).toContain(`DATA_DIR ${named} `);
  });
});

describe('a database that a newer version has migrated', () => {
  it('stops the start with one line that names both versions', async () => {
    const database = await createDatabase();
    await runSql(
      database,
      `INSERT INTO migrations (timestamp, name) VALUES (1900000000000, 'Later1900000000000') RETURNING id`,
    );
    expect(await failedStart(database.env)).toMatch(
      /^Tidemark cannot start: [^\n]* schema Later1900000000000, [^\n]* up to Initial1700000000000\. [^\n]*\n$/,
    );
    await runSql(database, `DELETE FROM migrations WHERE name = 'Later1900000000000' RETURNING id`);
    const server = await ServerProcess.start(database.env);
    await server.stop();
    await database.drop();
  });
});

describe('the log', () => {
  const linesOf = ({ output }: ServerProcess) => output.split(/\r?\n/);

  it('has short lines with times on a terminal', async () => {
    const { env } = await createDatabase({ embedded: true });
    // `script` gives the process a terminal.
    const command: [string, ...string[]] = ['script', '-qec', `'${process.execPath}' '${MAIN}'`, '/dev/null'];
    const server = await spawn({ ...env, LOG_LEVEL: 'info', NO_COLOR: '1' }, command);
    await server.ready();
    await until(() => /GET \/health\/ready 200/.test(server.output));
    expect(linesOf(server)).toContainEqual(
      expect.stringMatching(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: GET \/health\/ready 200 [\d.]+ ms *$/),
    );
    expect(server.output).not.toContain('{"level"');
    expect(server.output).not.toContain('"pid"');
  });

  it('is JSON elsewhere', async () => {
    const { env } = await createDatabase({ embedded: true });
    const server = await spawn({ ...env, LOG_LEVEL: 'info' });
    await server.ready();
    await until(() => server.output.includes('/health/ready'));
    const line = linesOf(server).find((each) => each.includes('/health/ready'))!;
    expect(JSON.parse(line)).toMatchObject({ level: 30, method: 'GET', path: '/health/ready', status: 200 });
  });
});

it('the benchmark refuses a --scenarios that matches nothing', async () => {
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, ['scripts/tool.mjs', 'bench', ...args]);
  await expect(run('--scenarios', 'no such')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^no scenario of [^\n]* has "no such" in its name; [^\n]*idle poll/),
  });
  // An attack is not among the parts.
  await expect(run('--only', 'throughput', '--scenarios', 'deep pages')).rejects.toMatchObject({ code: 2 });
});
