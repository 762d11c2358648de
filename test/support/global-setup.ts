import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/**
 * A first start: it migrates, makes the schema of the jobs and the server's keys. The copies begin their own
 * history: a copy of a database is a restore.
 */
const START = `
  const { createApp } = await import('./dist/src/create-app.js');
  const app = await createApp();
  const { default: dataSource } = await import('./dist/ormconfig.js');
  await dataSource.query('DELETE FROM histories');
  await app.close();`;

/**
 * Creates the template databases by a first start of the server: an embedded one and, with TEST_DATABASE_URL,
 * one on that server. Every test file gets a copy, on which a start is quick. TEST_DIRECTORY,
 * TEST_DATABASE_NAME and TEST_SEED are passed to the tests in the environment.
 */
export default async function globalSetup(): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
  process.env.TEST_DIRECTORY = work;
  process.env.TEST_SEED ??= String(Math.floor(Math.random() * 2 ** 31));
  console.log(`\nTEST_SEED=${process.env.TEST_SEED}`);

  const env: NodeJS.ProcessEnv = {
    ...process.env,
    NODE_OPTIONS: '',
    LOG_LEVEL: 'silent',
    DATA_DIR: join(work, 'template'),
  };
  delete env.DATABASE_URL;
  start(env);
  const server = process.env.TEST_DATABASE_URL;
  if (server) {
    process.env.TEST_DATABASE_NAME = `tidemark_test_${process.pid}`;
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    await client.query(`CREATE DATABASE ${process.env.TEST_DATABASE_NAME}`);
    await client.end();
    const url = new URL(server);
    url.pathname = `/${process.env.TEST_DATABASE_NAME}`;
    start({ ...env, DATABASE_URL: url.href });
  }
}

const start = (env: NodeJS.ProcessEnv) =>
  execFileSync(process.execPath, ['--input-type=module', '-e', START], { env, stdio: 'inherit' });
