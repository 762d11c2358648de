import { afterEach, expect, it } from '@jest/globals';
import { PostgresServer } from '../tools/postgres.js';
import { DatabaseProxy } from './support/database-proxy.js';
import { Scrape } from './support/metrics.js';
import { createDatabase, createDeveloper, freePort, ServerProcess } from './support/server.js';
import { until } from './support/until.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

it('while the database is away, a scrape says so, and has no old state of it', async () => {
  const port = await freePort();
  const database = await createDatabase();
  ends.push(() => database.drop());
  const proxy = await DatabaseProxy.start(database.env.DATABASE_URL);
  ends.push(() => proxy.close());
  const server = await ServerProcess.start({
    ...database.env,
    DATABASE_URL: proxy.url,
    METRICS_PORT: String(port),
  });
  ends.push(() => server.stop('SIGKILL'));
  const present = await Scrape.of(port);
  expect(present.value('tidemark_db_up')).toBe(1);
  expect(present.value('tidemark_webhook_lag_seconds')).toBe(0);
  proxy.close();
  await until(async () => (await Scrape.of(port)).value('tidemark_db_up') === 0);
  const { names } = await Scrape.of(port);
  for (const name of ['webhook_lag_seconds', 'jobs', 'job_oldest_seconds', 'db_oldest_transaction_seconds'])
    expect(names).not.toContain(`tidemark_${name}`);
  expect(names).toContain('tidemark_http_request_duration_seconds_count');
});

it('replicas: how far they are behind, and who served the reads', async () => {
  const port = await freePort();
  const primary = await PostgresServer.start({ fsync: 'off' });
  ends.push(() => primary.destroy());
  const standby = await primary.startStandby();
  let isStopped = false;
  const stop = async () => {
    if (!isStopped) await standby.destroy();
    isStopped = true;
  };
  ends.push(stop);
  const server = await ServerProcess.start({
    DATABASE_URL: primary.url,
    DATABASE_REPLICA_URL: standby.url,
    METRICS_PORT: String(port),
  });
  ends.push(() => server.stop('SIGKILL'));
  const developer = await createDeveloper(server.url, 'dev-1');
  const reads = async (result: string) =>
    (await Scrape.of(port)).value('tidemark_replica_reads_total', { result })!;
  const poll = () => developer.sync({ since: '1970-01-01' });
  await until(async () => (await poll()).status === 200 && (await reads('served')) > 0);
  const scrape = await Scrape.of(port);
  expect(scrape.value('tidemark_replica_lag_seconds', { replica: '1' })).toBeGreaterThanOrEqual(0);
  expect(scrape.value('tidemark_db_connections_limit', { pool: 'replica-1' })).toBe(10);
  // The first read fails; those that follow do not ask it for a while.
  await stop();
  await until(async () => (await poll()).status === 200 && (await reads('unavailable')) > 0);
  const { names } = await Scrape.of(port);
  expect(names).not.toContain('tidemark_replica_lag_seconds');
});
