import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RECORDS } from './support/api.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { expectError } from './support/errors.js';
import { Gate } from './support/gate.js';
import { PgBouncer } from './support/pgbouncer.js';
import { createDeveloper, ServerProcess } from './support/server.js';
import { expectExactCopy, SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

describe('PgBouncer with session pooling, as Debian ships it', () => {
  let bouncer: PgBouncer;
  let server: ServerProcess;
  let gate: Gate;
  beforeAll(async () => {
    bouncer = await PgBouncer.start(database.env.DATABASE_URL);
    gate = await Gate.build(database.env.DATABASE_URL);
    const DATABASE_URL = bouncer.url;
    // The primary also plays the replica.
    server = await ServerProcess.start({ ...database.env, DATABASE_URL, DATABASE_REPLICA_URL: DATABASE_URL });
  });
  afterAll(async () => {
    await server?.stop();
    await gate?.end();
    await bouncer?.stop();
  });

  it('serves writes, reads and background jobs', async () => {
    const [owner, follower] = [
      await createDeveloper(server.url, 'dev-1'),
      await createDeveloper(server.url, 'dev-2'),
    ];
    const record = { developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: 'a', data: { n: 1 } };
    const { id } = await owner.create(record);
    expect((await owner.put(`${RECORDS}/${id}/shares/dev-2`)).status).toBe(204);
    expect((await follower.put(`${RECORDS}/${id}/pin`)).status).toBe(204);
    const client = await new SyncClient(follower).catchUp();
    expect((await owner.patch(`${RECORDS}/${id}`, { data: { n: 2 } })).status).toBe(200);
    // The job of the change brings it to the follower.
    await until(async () => (await client.poll()) > 0);
    await expectExactCopy(await new SyncClient(owner).catchUp(), owner, 'dev-1');
  });

  it('every limit is in force: a write behind a lock gets 503', async () => {
    const owner = await createDeveloper(server.url, 'dev-3');
    const record = { developerId: 'dev-3', resourceType: 'ROUTE', resourceKey: 'a', data: {} };
    await owner.create(record);
    await gate.session.query('BEGIN; LOCK TABLE feeds');
    const write = owner.post(RECORDS, { ...record, resourceKey: 'b' });
    await gate.waiting('relation', 1);
    expectError(await write, 503, 'service_unavailable');
    await gate.session.query('ROLLBACK');
    expect((await owner.post(RECORDS, { ...record, resourceKey: 'b' })).status).toBe(201);
  });
});

describe('a pooler that shares sessions between clients', () => {
  it.each([
    ['transaction pooling', { pool_mode: 'transaction' }],
    ['transaction pooling in turn', { pool_mode: 'transaction', server_round_robin: 1 }],
    ['transaction pooling on one session', { pool_mode: 'transaction', default_pool_size: 1 }],
    ['statement pooling', { pool_mode: 'statement' }],
  ])('stops the start with one line that says what to do: %s', async (_name, settings) => {
    const bouncer = await PgBouncer.start(database.env.DATABASE_URL, settings);
    try {
      const server = await ServerProcess.spawn({ ...database.env, DATABASE_URL: bouncer.url });
      expect((await server.exited).code).toBe(1);
      expect(server.output).toMatch(
        /^Tidemark cannot start: The database [^\n]*: use session pooling[^\n]*\n$/,
      );
    } finally {
      await bouncer.stop();
    }
  });

  it('in front of a replica, leaves the replica out: the primary serves', async () => {
    const bouncer = await PgBouncer.start(database.env.DATABASE_URL, { pool_mode: 'transaction' });
    const env = { ...database.env, DATABASE_REPLICA_URL: bouncer.url, LOG_LEVEL: 'warn' };
    const server = await ServerProcess.start(env);
    try {
      const owner = await createDeveloper(server.url, 'dev-4');
      await owner.create({ developerId: 'dev-4', resourceType: 'ROUTE', resourceKey: 'a', data: {} });
      await expectExactCopy(await new SyncClient(owner).catchUp(), owner, 'dev-4');
      await until(() => /a replica has failed/.test(server.output));
      expect(server.output).toContain('use session pooling');
    } finally {
      await server.stop();
      await bouncer.stop();
    }
  });
});
