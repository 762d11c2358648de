import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PostgresServer } from '../tools/postgres.js';
import { type Answer, type Api, RECORDS } from './support/api.js';
import { createClient } from './support/api-clients.js';
import { DatabaseProxy } from './support/database-proxy.js';
import { expectError } from './support/errors.js';
import { Gate } from './support/gate.js';
import { getOwnTokens, post } from './support/oauth.js';
import { createDatabase, createDeveloper, ServerProcess, type TestDatabase } from './support/server.js';
import { expectExactCopy, SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';

const record = (resourceKey: string) => ({
  developerId: 'dev-1',
  resourceType: 'ROUTE',
  resourceKey,
  data: {},
});

const ready = async (server: ServerProcess) => (await fetch(`${server.url}/health/ready`)).status;

function expectUnavailable(answer: Answer): void {
  expectError(answer, 503, 'service_unavailable');
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
}

describe('processes of the database that are stopped', () => {
  let postgres: PostgresServer;
  let server: ServerProcess;
  beforeEach(async () => {
    postgres = await PostgresServer.start({ fsync: 'off' });
    server = await ServerProcess.start({ DATABASE_URL: postgres.url });
  });
  afterEach(async () => {
    await server?.stop('SIGKILL');
    if (postgres?.pid !== undefined) postgres.resume();
    await postgres?.destroy();
  });

  it('everything answers 503 while they stand still, and as before when they go on', async () => {
    const owner = await createDeveloper(server.url, 'dev-1');
    const client = await createClient(server.admin);
    const { access_token: token } = await getOwnTokens(server.url, client);
    const since = { since: '1970-01-01' };
    postgres.suspend();
    // The second round is after the server has noticed.
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all([
        ...Array.from({ length: 20 }, () => owner.sync(since)),
        ...Array.from({ length: 20 }, (_, n) => owner.post(RECORDS, record(`${round}-${n}`))),
        server.admin.get('/health/ready'),
      ]);
      for (const answer of answers) expectUnavailable(answer);
      const revoke = await post(server.url, '/oauth/revoke', client, { token });
      expect(revoke.status).toBe(503);
      expect(revoke.headers.get('retry-after')).toMatch(/^\d+$/);
    }
    expect((await server.admin.get('/health/live')).status).toBe(200);
    postgres.resume();
    await until(async () => (await ready(server)) === 200);
    await until(async () => (await owner.sync(since)).status === 200);
    expect((await owner.post(RECORDS, record('after'))).status).toBe(201);
    expect(server.child.exitCode).toBeNull();
  });

  it('every write that is acknowledged is there, and no other answer than 201 and 503 is given', async () => {
    const owner = await createDeveloper(server.url, 'dev-1');
    const created: string[] = [];
    const statuses = new Set<number>();
    let isOver = false;
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; !isOver; n++) {
        const { status, body } = await owner.post(RECORDS, record(`${writer}-${n}`));
        statuses.add(status);
        if (status === 201) created.push(body.id);
      }
    });
    for (let round = 0; round < 2; round++) {
      const before = created.length;
      await until(() => created.length > before + 40);
      statuses.clear();
      postgres.suspend();
      await until(() => statuses.has(503));
      postgres.resume();
    }
    await until(async () => (await ready(server)) === 200);
    isOver = true;
    await Promise.all(writers);
    expect([...statuses].filter((status) => ![201, 503].includes(status))).toEqual([]);
    const client = await new SyncClient(owner).catchUp();
    await expectExactCopy(client, owner, 'dev-1');
    for (const id of created) expect((await owner.get(`${RECORDS}/${id}`)).status).toBe(200);
  });
});

describe('a network that swallows all bytes', () => {
  let database: TestDatabase;
  let proxy: DatabaseProxy;
  let server: ServerProcess;
  let owner: Api;
  beforeEach(async () => {
    database = await createDatabase();
    proxy = await DatabaseProxy.start(database.env.DATABASE_URL);
    server = await ServerProcess.start({ ...database.env, DATABASE_URL: proxy.url });
    owner = await createDeveloper(server.url, 'dev-1');
  });
  afterEach(async () => {
    proxy.close();
    await server?.stop('SIGKILL');
    await database.drop();
  });

  it('requests get 503, few connections are tried, and a repaired address is found', async () => {
    proxy.hang();
    expectUnavailable(await owner.post(RECORDS, record('a')));
    expect(await ready(server)).toBe(503);
    const before = proxy.connections;
    await until(() => proxy.connections > before + 1);
    for (let n = 0; n < 100; n++) expectUnavailable(await owner.post(RECORDS, record(`${n}`)));
    // Neither requests nor the background work open connections: only the server's question whether it answers.
    expect(proxy.connections).toBeLessThan(before + 20);
    proxy.repair();
    await until(async () => (await ready(server)) === 200);
    expect((await owner.post(RECORDS, record('a'))).status).toBe(201);
  });

  it('connections that are lost without a word are replaced, while new ones work', async () => {
    proxy.lose();
    await until(async () => (await owner.post(RECORDS, record('a'))).status !== 503);
    await until(async () => (await ready(server)) === 200);
    await expectExactCopy(await new SyncClient(owner).catchUp(), owner, 'dev-1');
  });

  it('a write that waits for a lock is not cut: the database says that it works', async () => {
    const gate = await Gate.build(database.env.DATABASE_URL);
    await gate.stop('records', 'INSERT', 'true');
    await gate.close();
    const write = owner.post(RECORDS, record('a'));
    await gate.waiting('advisory', 1);
    // The server asks, each time on a new connection.
    const before = proxy.connections;
    await until(() => proxy.connections > before + 2);
    await gate.open();
    expect((await write).status).toBe(201);
    await gate.end();
  });
});
