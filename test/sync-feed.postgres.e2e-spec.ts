import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { type Api, type Answer, RECORDS } from './support/api.js';
import { createDatabase, createDeveloper, ServerProcess, startApp, type TestApp } from './support/server.js';
import { until } from './support/until.js';
import { expectExactCopy, SyncClient } from './support/sync-client.js';

/** An advisory lock: while the test holds it, a write of a key that starts with "gated" stops after its tick. */
const GATE = 4711;

const random = mulberry32(Number(process.env.TEST_SEED));

let app: TestApp;
/** A session of the test's own, beside the server's. */
let session: pg.Client;

beforeAll(async () => {
  app = await startApp();
  session = new pg.Client({ connectionString: process.env.DATABASE_URL });
  await session.connect();
  await session.query(`
    CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF coalesce(NEW.resource_key, OLD.resource_key) LIKE 'gated%' THEN
        PERFORM pg_advisory_xact_lock_shared(${GATE});
      END IF;
      RETURN coalesce(NEW, OLD);
    END $$;
    CREATE TRIGGER gate BEFORE INSERT OR UPDATE OR DELETE ON records FOR EACH ROW EXECUTE FUNCTION gate()`);
});
afterEach(() => session.query('SELECT pg_advisory_unlock_all()'));
afterAll(async () => {
  await session.end();
  await app.close();
});

const closeGate = () => session.query('SELECT pg_advisory_lock($1)', [GATE]);
const openGate = () => session.query('SELECT pg_advisory_unlock($1)', [GATE]);

/** Waits until so many sessions of the server wait for a lock of this kind. */
const waiting = (kind: 'advisory' | 'transactionid' | 'tuple', count: number) =>
  until(async () => {
    const { rows } = await session.query(
      `SELECT count(*)::int AS count FROM pg_locks l JOIN pg_stat_activity a USING (pid)
       WHERE NOT l.granted AND l.locktype = $1 AND a.datname = current_database()`,
      [kind],
    );
    return rows[0].count === count;
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
    await closeGate();
    const late = create('gated');
    await waiting('advisory', 1);
    const next = create('next');
    await waiting('transactionid', 1);
    expect(await follower.poll()).toBe(0);
    await openGate();
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
    await closeGate();
    const late = kind === 'update' ? api.patch(path, { data: { late: true } }) : api.delete(path);
    await waiting('advisory', 1);
    const next = create('next');
    await waiting('transactionid', 1);
    expect(await follower.poll()).toBe(0);
    await openGate();
    await Promise.all([late, next]);
    await follower.catchUp();
    expect(actions(follower)).toEqual(['created', kind === 'update' ? 'updated' : 'deleted', 'created']);
    await expectExactCopy(follower, api, id);
  });

  it("does not hold up another developer's writes and polls", async () => {
    const [a, b] = [await newDeveloper(), await newDeveloper()];
    await closeGate();
    const late = a.create('gated');
    await waiting('advisory', 1);
    expect((await b.create('free')).status).toBe(201);
    expect((await new SyncClient(b.api).catchUp()).items.size).toBe(1);
    await openGate();
    expect((await late).status).toBe(201);
  });

  it('leaves no trace when it is rolled back, and does not block what comes after', async () => {
    const { id, api, create } = await newDeveloper();
    await create('early');
    const follower = await new SyncClient(api).catchUp();
    await closeGate();
    const doomed = create('gated');
    await waiting('advisory', 1);
    const next = create('next');
    await waiting('transactionid', 1);
    await session.query(`
      SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`);
    expect((await doomed).status).toBe(503);
    expect((await next).status).toBe(201);
    await openGate();
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
    await session.query(
      `UPDATE developers SET feed_clock = date_trunc('milliseconds', clock_timestamp() + interval '1 hour')
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

/** A small seeded generator, so that a failure can be repeated with TEST_SEED. */
function mulberry32(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
