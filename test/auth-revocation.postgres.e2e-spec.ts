import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { type Answer, Api, RECORDS } from './support/api.js';
import { createDatabase, ServerProcess, type TestDatabase } from './support/server.js';
import { until } from './support/until.js';

const KEYS = '/api/v1/api-keys';

let database: TestDatabase;
let a: ServerProcess;
let b: ServerProcess;

beforeAll(async () => {
  database = await createDatabase();
  // One connection in the second process: what waits for it waits for everything before it.
  a = await ServerProcess.start(database.env);
  b = await ServerProcess.start({ ...database.env, DATABASE_POOL_SIZE: '1' });
});
afterAll(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
  await database.drop();
});

/** A key, and the status of a request with it. */
async function createKey(extra: Record<string, unknown> = {}) {
  const { body } = await a.admin.post(KEYS, { developerId: 'dev-1', scopes: ['sync:read'], ...extra });
  const use = async (server: ServerProcess) => (await new Api(server.url, body.key).get(RECORDS)).status;
  return { id: body.id, use };
}

it('a key made in one process works in another at once', async () => {
  const { use } = await createKey();
  expect(await use(b)).toBe(200);
});

it('a key revoked in one process is refused there at once, and in another within 5 seconds', async () => {
  const { id, use } = await createKey();
  expect([await use(a), await use(b)]).toEqual([200, 200]);
  expect((await a.admin.delete(`${KEYS}/${id}`)).status).toBe(204);
  expect(await use(a)).toBe(401);
  const revoked = performance.now();
  await until(async () => (await use(b)) === 401);
  expect(performance.now() - revoked).toBeLessThan(5_000);
});

it('a client deleted in one process ends its keys there at once, and in another within 5 seconds', async () => {
  const { body: client } = await a.admin.post('/api/v1/api-clients', {
    developerId: 'vendor',
    name: 'app',
    scopes: ['sync:read'],
  });
  const { use } = await createKey({ clientId: client.id });
  expect([await use(a), await use(b)]).toEqual([200, 200]);
  expect((await a.admin.delete(`/api/v1/api-clients/${client.id}`)).status).toBe(204);
  expect(await use(a)).toBe(401);
  const deleted = performance.now();
  await until(async () => (await use(b)) === 401);
  expect(performance.now() - deleted).toBeLessThan(5_000);
});

it('a key rotated in one process ends in another within 5 seconds, and the new one works there at once', async () => {
  const { id, use } = await createKey({ scopes: ['sync:read', 'sync:write'] });
  expect([await use(a), await use(b)]).toEqual([200, 200]);
  const { body } = await a.admin.post(`${KEYS}/${id}/rotate`, { overlapSeconds: 0 });
  const rotated = performance.now();
  expect(await use(a)).toBe(401);
  expect((await new Api(b.url, body.key).get(RECORDS)).status).toBe(200);
  await until(async () => (await use(b)) === 401);
  expect(performance.now() - rotated).toBeLessThan(5_000);
});

/** Holds locks of rows while something else runs into them. */
async function whileLocked(lock: string, run: (waiting: () => Promise<void>) => Promise<void>) {
  const client = new pg.Client({ connectionString: database.env.DATABASE_URL });
  await client.connect();
  const waiting = () =>
    until(async () => {
      const { rowCount } = await client.query(
        'SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))',
      );
      return rowCount! > 0;
    });
  await client.query(`BEGIN; ${lock} FOR UPDATE`);
  // The end of the connection is the end of the transaction.
  await run(waiting).finally(() => client.end());
}

it('a key that is used while its revocation is being written is refused once that is answered', async () => {
  const { id, use } = await createKey();
  expect(await use(a)).toBe(200);
  let revocation: Promise<Answer>;
  await whileLocked(`SELECT FROM api_keys WHERE id = '${id}'`, async (waiting) => {
    revocation = a.admin.delete(`${KEYS}/${id}`);
    await waiting();
    expect(await use(a)).toBe(200);
  });
  expect((await revocation!).status).toBe(204);
  expect(await use(a)).toBe(401);
});

it('the 5 seconds hold, too, for a process that waits for a connection while it looks the key up', async () => {
  const { id, use } = await createKey();
  const record = { developerId: 'dev-1', resourceType: 'ROUTE', data: {} };
  await b.admin.create({ ...record, resourceKey: 'first' });
  let looking: Promise<number>;
  let writing: Promise<Answer>;
  let revoked: number;
  await whileLocked(`SELECT FROM developers WHERE developer_id = 'dev-1'`, async (waiting) => {
    looking = use(b);
    // Gets the only connection between the queries of the look-up, and keeps it as long as the lock is held.
    writing = b.admin.post(RECORDS, { ...record, resourceKey: 'second' });
    await waiting();
    expect((await a.admin.delete(`${KEYS}/${id}`)).status).toBe(204);
    revoked = performance.now();
    await until(() => performance.now() > revoked + 3_000);
  });
  expect((await writing!).status).toBe(201);
  await looking!;
  await until(async () => (await use(b)) === 401);
  expect(performance.now() - revoked!).toBeLessThan(5_000);
});
