import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Api, type Answer, RECORDS } from './support/api.js';
import { createDatabase, createDeveloper, ServerProcess, startApp, type TestApp } from './support/server.js';
import { Gate } from './support/gate.js';
import { seededRandom } from './support/random.js';
import { until } from './support/until.js';
import { expectExactCopy, listAll, SyncClient } from './support/sync-client.js';

const random = seededRandom();

let app: TestApp;
let gate: Gate;

beforeAll(async () => {
  app = await startApp();
  gate = await Gate.build(process.env.DATABASE_URL!);
  // Writes of a key that starts with "gated" stop after their tick.
  await gate.stop(
    'records',
    'INSERT OR UPDATE OR DELETE',
    `coalesce(NEW.resource_key, OLD.resource_key) LIKE 'gated%'`,
  );
});
afterEach(() => gate.open());
afterAll(async () => {
  await gate.end();
  await app.close();
});

let developers = 0;
async function newDeveloper() {
  const id = `developer-${++developers}`;
  const api = await app.developer(id);
  const create = (resourceKey: string): Promise<Answer> =>
    api.post(RECORDS, { developerId: id, resourceType: 'ROUTE', resourceKey, data: {} });
  return { id, api, create };
}

const actions = (client: SyncClient) => client.received.map((item) => item.action);

describe('a write that takes its tick first and commits last', () => {
  it('is not passed by its own feed: nobody sees a later change before it', async () => {
    const { id, api, create } = await newDeveloper();
    await create('early');
    const follower = await new SyncClient(api).catchUp();
    await gate.close();
    const late = create('gated');
    await gate.waiting('advisory', 1);
    const next = create('next');
    await gate.waiting('transactionid', 1);
    expect(await follower.poll()).toBe(0);
    await gate.open();
    const [a, b] = await Promise.all([late, next]);
    expect([a.status, b.status]).toEqual([201, 201]);
    expect(await follower.poll()).toBe(2);
    expect(follower.received.map((item) => item.datetime).slice(1)).toEqual([
      a.body.createdAt,
      b.body.createdAt,
    ]);
    await expectExactCopy(follower, api, id);
  });

  it.each(['update', 'delete'])('holds for %s as well', async (kind) => {
    const { id, api, create } = await newDeveloper();
    const path = `${RECORDS}/${(await create('gated')).body.id}`;
    const follower = await new SyncClient(api).catchUp();
    await gate.close();
    const late = kind === 'update' ? api.patch(path, { data: { late: true } }) : api.delete(path);
    await gate.waiting('advisory', 1);
    const next = create('next');
    await gate.waiting('transactionid', 1);
    expect(await follower.poll()).toBe(0);
    await gate.open();
    await Promise.all([late, next]);
    await follower.catchUp();
    expect(actions(follower)).toEqual(['created', kind === 'update' ? 'updated' : 'deleted', 'created']);
    await expectExactCopy(follower, api, id);
  });

  it("does not hold up another developer's writes and polls", async () => {
    const [a, b] = [await newDeveloper(), await newDeveloper()];
    await gate.close();
    const late = a.create('gated');
    await gate.waiting('advisory', 1);
    expect((await b.create('free')).status).toBe(201);
    expect((await new SyncClient(b.api).catchUp()).items.size).toBe(1);
    await gate.open();
    expect((await late).status).toBe(201);
  });

  it('leaves no trace when it is rolled back, and does not block what comes after', async () => {
    const { id, api, create } = await newDeveloper();
    await create('early');
    const follower = await new SyncClient(api).catchUp();
    await gate.close();
    const doomed = create('gated');
    await gate.waiting('advisory', 1);
    const next = create('next');
    await gate.waiting('transactionid', 1);
    await gate.session.query(`
      SELECT pg_terminate_backend(pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
      WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`);
    expect((await doomed).status).toBe(503);
    expect((await next).status).toBe(201);
    await gate.open();
    await follower.catchUp();
    expect(follower.received).toHaveLength(2);
    await expectExactCopy(follower, api, id);
    expect((await create('gated')).status).toBe(201);
  });
});

describe('the feed clock', () => {
  it('goes on in milliseconds when the wall clock has stepped back', async () => {
    const { id, api, create } = await newDeveloper();
    await create('before');
    const follower = await new SyncClient(api).catchUp();
    await gate.session.query(
      `UPDATE feeds SET clock = date_trunc('milliseconds', clock_timestamp() + interval '1 hour')
       WHERE developer_id = $1`,
      [id],
    );
    await create('a');
    await create('b');
    await follower.catchUp();
    const [a, b] = follower.received.slice(-2).map((item) => Date.parse(item.datetime));
    expect(b - a).toBe(1);
    await expectExactCopy(follower, api, id);
  });

  it('gives every change of a burst a datetime of its own, and a page may end at any of them', async () => {
    const { id, api, create } = await newDeveloper();
    await Promise.all(Array.from({ length: 100 }, (_, n) => create(`burst-${n}`)));
    for (const limit of [1, 7, 99, 100]) {
      const follower = await new SyncClient(api, undefined, () => limit).catchUp();
      expect(follower.received).toHaveLength(100);
      await expectExactCopy(follower, api, id);
    }
  });
});

describe('parallel writers and parallel followers', () => {
  /** Random writes of one library; 409, 404 and 412 are part of the game. */
  async function write(api: Api, developerId: string, steps: number): Promise<void> {
    const mine: string[] = [];
    for (let step = 0; step < steps; step++) {
      const dice = random();
      const id = mine[Math.floor(random() * mine.length)];
      if (dice < 0.5 || id === undefined) {
        const resourceKey = `key-${Math.floor(random() * 40)}`;
        const { status, body } = await api.post(RECORDS, {
          developerId,
          resourceType: 'TRIP',
          resourceKey,
          data: {},
        });
        if (status === 201) mine.push(body.id);
        else expect(status).toBe(409);
      } else if (dice < 0.8) {
        expect([200, 404]).toContain((await api.patch(`${RECORDS}/${id}`, { data: { v: random() } })).status);
      } else {
        expect([204, 404]).toContain((await api.delete(`${RECORDS}/${id}`)).status);
      }
    }
  }

  /** Polls until it is told to stop, and then once more to the end. */
  async function follow(client: SyncClient, isOver: () => boolean): Promise<SyncClient> {
    while (!isOver()) await client.poll();
    return client.catchUp();
  }

  it('leave every follower with an exact copy', async () => {
    const libraries = await Promise.all([newDeveloper(), newDeveloper(), newDeveloper()]);
    let isOver = false;
    const followers = libraries.flatMap(({ api }) =>
      [undefined, () => 1 + Math.floor(random() * 5)].map((limit) =>
        follow(new SyncClient(api, undefined, limit), () => isOver),
      ),
    );
    await Promise.all(
      libraries.flatMap(({ api, id }) => Array.from({ length: 4 }, () => write(api, id, 25))),
    );
    isOver = true;
    const copies = await Promise.all(followers);
    for (const [index, { api, id }] of libraries.entries()) {
      await expectExactCopy(copies[2 * index], api, id);
      expect(copies[2 * index + 1].received).toEqual(copies[2 * index].received);
    }
  });

  it('outlive connections that PostgreSQL ends at any moment: the process stays, and nothing is a 500', async () => {
    const database = await createDatabase();
    const server = await ServerProcess.start(database.env);
    try {
      const api = await createDeveloper(server.url, 'dev-1');
      const acknowledged: string[] = [];
      const statuses = new Set<number>();
      let isOver = false;
      const clients = Array.from({ length: 40 }, async (_, client) => {
        for (let n = 0; !isOver; n++) {
          const resourceKey = `${client}-${n}`;
          const input = { developerId: 'dev-1', resourceType: 'ROUTE', resourceKey, data: {} };
          const answer =
            client % 4 ? await api.sync('since=1970-01-01&limit=1') : await api.post(RECORDS, input);
          statuses.add(answer.status);
          if (answer.status === 201) acknowledged.push(answer.body.id);
        }
      });
      for (let round = 0; round < 60; round++) {
        const goal = acknowledged.length + 5;
        await Promise.race([until(() => acknowledged.length >= goal), Promise.all(clients)]);
        await gate.session.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'tidemark'`,
          [new URL(database.env.DATABASE_URL).pathname.slice(1)],
        );
      }
      isOver = true;
      await Promise.all(clients);
      expect([...statuses].filter((status) => ![200, 201, 409, 503].includes(status))).toEqual([]);
      await until(async () => (await api.get('/health/ready')).status === 200);
      const follower = await new SyncClient(api).catchUp();
      await expectExactCopy(follower, api, 'dev-1');
      const stored = new Set((await listAll(api, 'dev-1')).map(({ id }) => id));
      expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    } finally {
      await server.stop();
      await database.drop();
    }
  });

  it('do so on two server processes of which one is killed and started again, and no acknowledged write is lost', async () => {
    const database = await createDatabase();
    // A pool of two: with more writers than connections, waiting must not turn into a deadlock.
    const env = { ...database.env, DATABASE_POOL_SIZE: '2' };
    const [steady, victim] = await Promise.all([ServerProcess.start(env), ServerProcess.start(env)]);
    const survivors = [steady];
    try {
      const api = await createDeveloper(steady.url, 'dev-1');
      let isOver = false;
      const followers = [undefined, () => 3].map((limit) =>
        follow(new SyncClient(api, undefined, limit), () => isOver),
      );
      const acknowledged: string[] = [];
      const writeTo = async (target: Api, name: string) => {
        for (let n = 0; n < 400; n++) {
          const answer = await target
            .post(RECORDS, {
              developerId: 'dev-1',
              resourceType: 'ROUTE',
              resourceKey: `${name}-${n}`,
              data: {},
            })
            .catch(() => undefined);
          if (answer === undefined) return;
          expect(answer.status).toBe(201);
          acknowledged.push(answer.body.id);
        }
      };
      const onVictim = ['a', 'b', 'c'].map((name) => writeTo(api.at(victim.url), name));
      const onSteady = ['d', 'e', 'f'].map((name) => writeTo(api, name));
      await until(async () => acknowledged.length >= 150);
      await victim.stop('SIGKILL');
      await Promise.all(onVictim);
      const restarted = await ServerProcess.start(env);
      survivors.push(restarted);
      await writeTo(api.at(restarted.url), 'again');
      await Promise.all(onSteady);
      isOver = true;
      const [copy, paged] = await Promise.all(followers);
      expect(paged.received).toEqual(copy.received);
      await expectExactCopy(copy, api, 'dev-1');
      const stored = await Promise.all(acknowledged.map((id) => api.get(`${RECORDS}/${id}`)));
      expect(stored.filter(({ status }) => status !== 200)).toEqual([]);
    } finally {
      await Promise.all([...survivors, victim].map((server) => server.stop()));
      await database.drop();
    }
  });
});
