import { expect, it } from '@jest/globals';
import { Client } from 'pg';
import { RECORDS } from './support/api.js';
import { useApp } from './support/app.js';
import { until } from './support/until.js';

const app = useApp({ DATABASE_POOL_SIZE: '4' });

const recordOf = (developerId: string, n: number) => ({
  developerId,
  resourceType: 'ROUTE',
  resourceKey: `key-${n}`,
  data: { n },
});

/** Connections of the server that run a statement like this. */
async function running(pattern: string): Promise<number> {
  const [{ count }] = await app.dataSource.query(
    `SELECT count(*)::int FROM pg_stat_activity
     WHERE datname = current_database() AND state <> 'idle' AND query LIKE $1 AND pid <> pg_backend_pid()`,
    [pattern],
  );
  return count;
}

it.each([
  ['its own key', false],
  ['the admin key', true],
])('a developer whose library is locked holds up itself alone, with writes by %s', async (name, isAdmin) => {
  const [stuckId, otherId] = [`stuck ${name}`, `other ${name}`];
  const stuck = await app.developer(stuckId);
  const other = await app.developer(otherId);
  const lock = new Client(process.env.DATABASE_URL);
  await lock.connect();
  let isLocked = true;
  try {
    await lock.query('BEGIN');
    await lock.query('SELECT FROM feeds WHERE developer_id = $1 FOR UPDATE', [stuckId]);
    const writer = isAdmin ? app.admin : stuck;
    const writes = Array.from({ length: 60 }, (_, n) => writer.post(RECORDS, recordOf(stuckId, n)));
    let hasEnded = false;
    void Promise.race(writes).then(() => (hasEnded = true));
    await until(async () => (await running('%FROM feeds%FOR NO KEY UPDATE%')) > 0);

    for (let n = 0; n < 20; n++) {
      expect((await (isAdmin ? app.admin : other).post(RECORDS, recordOf(otherId, n))).status).toBe(201);
      expect((await other.get(`${RECORDS}?page=1`)).body.total).toBe(n + 1);
      expect((await fetch(`${app.url}/health/ready`)).status).toBe(200);
    }
    expect((await stuck.sync('since=1970-01-01T00:00:00Z')).body.items).toEqual([]);
    expect(hasEnded).toBe(false);

    await lock.query('COMMIT');
    isLocked = false;
    const statuses = (await Promise.all(writes)).map(({ status }) => status);
    expect(statuses).toEqual(Array(60).fill(201));
  } finally {
    if (isLocked) await lock.query('ROLLBACK');
    await lock.end();
  }
  const { body } = await stuck.sync('since=1970-01-01T00:00:00Z');
  expect(body.items).toHaveLength(60);
});

it('a caller has half of the connections at most, however many of its requests come at once', async () => {
  const reader = await app.developer('reader');
  await reader.create(recordOf('reader', 1));
  const requests = Array.from({ length: 200 }, (_, n) => reader.get(`${RECORDS}?page=${(n % 9_000) + 1}`));
  let hasEnded = false;
  const all = Promise.all(requests).finally(() => (hasEnded = true));
  let most = 0;
  while (!hasEnded) most = Math.max(most, await running('%WITH page AS%'));
  expect((await all).map(({ status }) => status)).toEqual(Array(200).fill(200));
  expect(most).toBeLessThanOrEqual(2);
});

it('is ready while all connections are taken', async () => {
  const runners = Array.from({ length: 4 }, () => app.dataSource.createQueryRunner());
  await Promise.all(runners.map((runner) => runner.connect()));
  try {
    expect((await fetch(`${app.url}/health/ready`)).status).toBe(200);
  } finally {
    await Promise.all(runners.map((runner) => runner.release()));
  }
});

it('a statement that hangs is cancelled', async () => {
  const [{ statement_timeout }] = await app.dataSource.query('SHOW statement_timeout');
  expect(statement_timeout).toBe('30s');
  await expect(
    app.dataSource.transaction(async (manager) => {
      await manager.query('SET LOCAL statement_timeout = 10');
      await manager.query('SELECT pg_sleep(60)');
    }),
  ).rejects.toMatchObject({ driverError: { code: '57014' } });
});
