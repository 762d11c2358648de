import 'reflect-metadata';
import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Client, type PoolClient } from 'pg';
import PgBoss from 'pg-boss';
import { MigrationExecutor } from 'typeorm';
import { copyTables, isEmpty } from './database/copy-tables.js';
import { assertHasDatabase, CONTENTS, MOVED } from './database/embedded/data-dir.js';
import { EmbeddedPostgres } from './database/embedded/embedded-postgres.js';
import { loadEnvFile } from './env-file.js';
import { runCommand } from './run-command.js';
import { CONTINUE_HISTORY, type DatabaseState, READ_STATE } from './histories/open-history.js';

/*
 * `npm run move-to-postgres -- URL`: copies the embedded database to an empty PostgreSQL database, in which its
 * history goes on: ids, clocks and cursors, secrets and jobs stay (docs/operations.md).
 */

loadEnvFile();

/** The versions that two databases must have in common to have the same tables. */
const VERSIONS = `
  SELECT (SELECT json_agg(name ORDER BY id) FROM migrations) AS migrations,
    (SELECT version FROM pgboss.version) AS jobs`;

const QUEUES = `SELECT name, json_build_object('policy', policy) AS options FROM pgboss.queue`;

/** pg-boss creates its schema in a transaction of its own; here it is part of the move. */
const JOBS_SCHEMA = PgBoss.getConstructionPlans('pgboss').replace(/^\s*BEGIN;|COMMIT;\s*$/g, '');

/** A large table, and its indexes, take longer than a request may. */
const NO_LIMITS = `
  SET LOCAL statement_timeout = 0;
  SET LOCAL lock_timeout = 0;
  SET LOCAL idle_in_transaction_session_timeout = 0;
  SET LOCAL tidemark.changes_feed = 'on'`;

async function move(url: string): Promise<void> {
  // Imported only now: settings are read from the environment when their module is loaded.
  process.env.DATABASE_URL = url;
  process.env.DATABASE_REPLICA_URL = '';
  const { config } = await import('./config.js');
  const { default: target } = await import('../ormconfig.js');
  const dataDir = resolve(config.DATA_DIR);
  assertHasDatabase(dataDir);
  assertNotElsewhere(dataDir, url);
  const embedded = await EmbeddedPostgres.start(dataDir, true);
  const source = new Client({ host: embedded.host, user: 'postgres', database: 'postgres' });
  try {
    await source.connect();
    await target.initialize();
    // A server that starts on the target waits for the end.
    await target.withStartupLock(async () => {
      const runner = target.createQueryRunner();
      const connection = (await runner.connect()) as PoolClient;
      await runner.startTransaction();
      try {
        if (!(await isEmpty(connection)))
          throw new Error(
            existsSync(join(dataDir, MOVED))
              ? 'the database of the URL is not empty: the earlier move to it is complete'
              : 'the database of the URL is not empty',
          );
        const executor = new MigrationExecutor(target, runner);
        executor.transaction = 'none';
        await executor.executePendingMigrations();
        await connection.query(JOBS_SCHEMA);
        await connection.query(NO_LIMITS);
        await copy(source, connection);
        // Before the commit: in no case are there two databases that take writes. If the commit fails, the
        // command is run again.
        await fence(dataDir, url);
        await runner.commitTransaction();
      } catch (error) {
        await runner.rollbackTransaction().catch(() => {});
        throw error;
      } finally {
        await runner.release();
      }
    });
    explain(dataDir, config);
  } finally {
    if (target.isInitialized) await target.destroy();
    await source.end();
    await embedded.stop();
  }
}

async function copy(source: Client, target: PoolClient): Promise<void> {
  const [{ rows: states }, versions] = [
    await source.query<DatabaseState>(READ_STATE).catch(startFirst),
    await source.query(VERSIONS).catch(startFirst),
  ];
  // Time that was lost, and that no server has noticed yet, would go unnoticed for ever.
  if (states[0].isUnknown) startFirst();
  const expected = await target.query(VERSIONS);
  if (JSON.stringify(versions.rows) !== JSON.stringify(expected.rows)) startFirst();
  await source.query('BEGIN');
  // Each queue has a partition of the table of jobs.
  for (const { name, options } of (await source.query(QUEUES)).rows)
    await target.query('SELECT pgboss.create_queue($1, $2)', [name, options]);
  const counts = await copyTables(source, target);
  await source.query('COMMIT');
  if ((await target.query(CONTINUE_HISTORY)).rowCount !== 1) startFirst();
  for (const table of ['developers', 'records', 'change_events', 'pgboss.job'])
    console.log(`${String(counts.get(table)).padStart(10)}  ${table}`);
}

function startFirst(cause?: unknown): never {
  throw new Error('start this version of the server on the embedded database once, and stop it', { cause });
}

/** `host:port/name` of the database. */
function targetOf(url: string): string {
  const { host, pathname } = new URL(url);
  return host + pathname;
}

/** Fence: a second database of the same history must not take writes. @throws Error after a move to another one */
function assertNotElsewhere(dataDir: string, url: string): void {
  const path = join(dataDir, MOVED);
  const moved = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  // Empty: the fence was cut off, before a commit.
  if (moved !== '' && !moved.startsWith(`to ${targetOf(url)} at `))
    throw new Error(
      `the database of DATA_DIR ${dataDir} has moved already: ${moved}. ` +
        `(If that move was cut off, and that database is empty: delete ${path}.)`,
    );
}

/** Durable: a server that starts on the directory later is refused. */
async function fence(dataDir: string, url: string): Promise<void> {
  const file = await open(join(dataDir, MOVED), 'w', 0o600);
  await file.writeFile(`to ${targetOf(url)} at ${new Date().toISOString()}\n`);
  await file.sync();
  await file.close();
}

/** Only the names of files: terminals are kept. */
function explain(dataDir: string, config: Partial<Record<'SECRETS_KEY' | 'ADMIN_API_KEY', unknown>>): void {
  console.log('Moved. Start the server with DATABASE_URL, and with');
  for (const [name, file] of [
    ['SECRETS_KEY', CONTENTS[0]],
    ['ADMIN_API_KEY', CONTENTS[1]],
  ] as const)
    if (config[name] !== undefined) console.log(`  ${name} as before`);
    else if (existsSync(join(dataDir, file))) console.log(`  ${name}="$(cat '${join(dataDir, file)}')"`);
}

await runCommand('Not moved', async () => {
  const [url, ...rest] = process.argv.slice(2);
  if (!url || !/^postgres(ql)?:\/\//.test(url) || rest.length > 0)
    throw new Error('Usage: npm run move-to-postgres -- postgres://…');
  await move(url);
});
