import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Api, RECORDS } from './support/api.js';
import { expectError } from './support/errors.js';
import { expectLibrary, settle } from './support/followers.js';
import { Gate } from './support/gate.js';
import { seededRandom } from './support/random.js';
import {
  createDatabase,
  createDeveloper,
  ServerProcess,
  startApp,
  type TestApp,
  type TestDatabase,
} from './support/server.js';
import { SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';

describe('a change that overlaps the end of a share or of a record', () => {
  let app: TestApp;
  let gate: Gate;
  beforeAll(async () => {
    app = await startApp();
    gate = await Gate.build(process.env.DATABASE_URL!);
    // Each test closes the gate only for what it is about.
    await gate.session.query('CREATE TABLE gate_for (kind text)');
    const isFor = (kind: string) => `EXISTS (SELECT FROM gate_for WHERE kind = '${kind}')`;
    await gate.stop('pins', 'INSERT', isFor('pins'));
    await gate.stop('shares', 'DELETE', isFor('shares'));
    await gate.stop('records', 'DELETE', isFor('records'));
    const isDelivery = `NEW.action = 'updated' AND NEW.user_id <> NEW.item_user_id`;
    await gate.stop('change_events', 'INSERT', `${isFor('deliveries')} AND ${isDelivery}`);
  });
  afterEach(() => gate.open());
  afterAll(async () => {
    await gate.end();
    await app.close();
  });

  const query = (sql: string, values: unknown[] = []) => app.dataSource.query(sql, values);

  let count = 0;

  /** An owner with a shared record, and the developer whom it is shared with. */
  async function setUp() {
    const [ownerId, followerId] = [`owner-${++count}`, `follower-${count}`];
    const owner = await app.developer(ownerId);
    const follower = await app.developer(followerId);
    const record = await owner.create({
      developerId: ownerId,
      resourceType: 'ROUTE',
      resourceKey: 'k',
      data: {},
    });
    const path = `${RECORDS}/${record.id}`;
    await owner.put(`${path}/shares/${followerId}`);
    return { owner, follower, followerId, path, share: `${path}/shares/${followerId}` };
  }

  async function closeGateFor(kind: 'pins' | 'shares' | 'records' | 'deliveries'): Promise<void> {
    await gate.session.query('DELETE FROM gate_for');
    await gate.session.query('INSERT INTO gate_for VALUES ($1)', [kind]);
    await gate.close();
  }

  async function expectEnd(api: Api, id: string, actions: string[]): Promise<void> {
    await settle(query);
    const client = await new SyncClient(api).catchUp();
    expect(client.received.map((item) => item.action)).toEqual(actions);
    expect(client.pinned.size).toBe(0);
    await expectLibrary(query, client, api, id);
  }

  const ends: [
    string,
    'shares' | 'records',
    (s: Awaited<ReturnType<typeof setUp>>) => ReturnType<Api['delete']>,
  ][] = [
    ['a revocation', 'shares', ({ owner, share }) => owner.delete(share)],
    ['a deletion', 'records', ({ owner, path }) => owner.delete(path)],
  ];

  it.each(ends)('a pin that commits after %s does not survive it', async (_name, _kind, end) => {
    const scene = await setUp();
    await closeGateFor('pins');
    const pin = scene.follower.put(`${scene.path}/pin`);
    await gate.waiting('advisory', 1);
    expect((await end(scene)).status).toBe(204);
    await gate.open();
    expect((await pin).status).toBe(204);
    await expectEnd(scene.follower, scene.followerId, ['added', 'removed']);
  });

  it.each(ends)('a pin that commits before %s does not survive it', async (_name, kind, end) => {
    const scene = await setUp();
    await closeGateFor(kind);
    const ending = end(scene);
    await gate.waiting('advisory', 1);
    expect((await scene.follower.put(`${scene.path}/pin`)).status).toBe(204);
    await settle(query);
    await gate.open();
    expect((await ending).status).toBe(204);
    await expectEnd(scene.follower, scene.followerId, ['added', 'removed']);
  });

  it.each(ends)('a delivery that commits after %s is followed by removed', async (_name, _kind, end) => {
    const scene = await setUp();
    await scene.follower.put(`${scene.path}/pin`);
    await settle(query);
    await closeGateFor('deliveries');
    await scene.owner.patch(scene.path, { data: { n: 1 } });
    await gate.waiting('advisory', 1);
    expect((await end(scene)).status).toBe(204);
    await gate.open();
    await expectEnd(scene.follower, scene.followerId, ['added', 'updated', 'removed']);
  });

  it.each(ends)('a delivery that finds %s done is only removed', async (_name, _kind, end) => {
    const scene = await setUp();
    await scene.follower.put(`${scene.path}/pin`);
    await settle(query);
    // The lock of the follower holds the delivery back until the end is there.
    await gate.session.query('BEGIN');
    await gate.session.query(
      'SELECT FROM feeds JOIN developers USING (user_id) WHERE developer_id = $1 FOR UPDATE OF feeds',
      [scene.followerId],
    );
    await scene.owner.patch(scene.path, { data: { n: 1 } });
    await gate.waiting('transactionid', 1);
    expect((await end(scene)).status).toBe(204);
    await gate.session.query('COMMIT');
    await expectEnd(scene.follower, scene.followerId, ['added', 'removed']);
  });

  it('a read that a deletion overtakes finds no record, not a missing right', async () => {
    const scene = await setUp();
    // The record is seen, and then its shares are waited for until both are gone.
    await gate.session.query('BEGIN');
    await gate.session.query('LOCK TABLE shares IN ACCESS EXCLUSIVE MODE');
    await gate.session.query('DELETE FROM records WHERE id = $1', [scene.path.split('/').at(-1)]);
    const answer = scene.follower.get(scene.path);
    await gate.waiting('relation', 1);
    await gate.session.query('COMMIT');
    expectError(await answer, 404, 'not_found');
  });

  it('an update that commits after the pin that did not see it arrives all the same', async () => {
    const scene = await setUp();
    await closeGateFor('pins');
    const pin = scene.follower.put(`${scene.path}/pin`);
    await gate.waiting('advisory', 1);
    await scene.owner.patch(scene.path, { data: { n: 1 } });
    await settle(query);
    await gate.open();
    await pin;
    await settle(query);
    const client = await new SyncClient(scene.follower).catchUp();
    expect(client.received.map((item) => item.action)).toEqual(['added', 'updated']);
    await expectLibrary(query, client, scene.follower, scene.followerId);
  });

  it('a follower whose feed is locked does not keep the others waiting, and gets the update later', async () => {
    const scene = await setUp();
    const otherId = `other-follower-${count}`;
    const other = await app.developer(otherId);
    await scene.owner.put(`${scene.path}/shares/${otherId}`);
    for (const api of [scene.follower, other]) await api.put(`${scene.path}/pin`);
    await settle(query);
    await gate.session.query('BEGIN');
    await gate.session.query(
      'SELECT FROM feeds JOIN developers USING (user_id) WHERE developer_id = $1 FOR UPDATE OF feeds',
      [scene.followerId],
    );
    await scene.owner.patch(scene.path, { data: { n: 1 } });
    const feed = new SyncClient(other);
    await until(async () => (await feed.poll()) >= 0 && feed.received.length === 2);
    expect((await new SyncClient(scene.follower).catchUp()).received).toHaveLength(1);
    await gate.session.query('COMMIT');
    await settle(query);
    expect((await new SyncClient(scene.follower).catchUp()).received).toHaveLength(2);
  });

  it('two developers who share with each other at the same time do not block each other', async () => {
    const [a, b] = [await setUp(), await setUp()];
    const rounds = Array.from({ length: 20 }, async () => {
      const answers = await Promise.all([
        a.owner.put(`${a.path}/shares/owner-${count}`),
        b.owner.put(`${b.path}/shares/owner-${count - 1}`),
        a.owner.delete(`${a.path}/shares/owner-${count}`),
        b.owner.delete(`${b.path}/shares/owner-${count - 1}`),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([204, 204, 204, 204]);
    });
    await Promise.all(rounds);
  });
});

describe('on two server processes', () => {
  let database: TestDatabase;
  let gate: Gate;
  let servers: ServerProcess[];
  let env: Record<string, string>;
  beforeAll(async () => {
    database = await createDatabase();
    env = { ...database.env, PUBLIC_URL: 'https://sync.example.com' };
    gate = await Gate.build(database.env.DATABASE_URL);
    servers = await Promise.all([1, 2].map(() => ServerProcess.start(env)));
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await gate.end();
    await database.drop();
  });

  const query = async (sql: string, values: unknown[] = []) => (await gate.session.query(sql, values)).rows;

  /** kill -9, and a new process in its place. */
  async function crash(index: number): Promise<void> {
    await servers[index].stop('SIGKILL');
    servers[index] = await ServerProcess.start(env);
  }

  it('10,000 followers get each update once, through kill -9, while the owner goes on writing', async () => {
    const FOLLOWERS = 10_000;
    const owner = await createDeveloper(servers[0].url, 'popular');
    const record = await owner.create({
      developerId: 'popular',
      resourceType: 'ROUTE',
      resourceKey: 'k',
      data: {},
    });
    await query(
      `WITH made AS (
        INSERT INTO developers (developer_id) SELECT 'fan-' || n FROM generate_series(1, ${FOLLOWERS}) n
        RETURNING user_id, created_at
      ) INSERT INTO feeds SELECT user_id, created_at FROM made`,
    );
    await query(
      `INSERT INTO shares SELECT r.user_id, r.item_id, d.user_id, now() FROM records r, developers d
       WHERE r.id = $1 AND d.developer_id LIKE 'fan-%'`,
      [record.id],
    );
    await query(
      `INSERT INTO pins (user_id, item_id, item_user_id, item_type, asset, pinned_at, seen)
       SELECT d.user_id, r.item_id, r.user_id, 'route', 'routes', now(), r.updated_at FROM records r, developers d
       WHERE r.id = $1 AND d.developer_id LIKE 'fan-%'`,
      [record.id],
    );
    const delivered = async () =>
      (await query(`SELECT count(*)::int AS count FROM change_events WHERE user_id <> item_user_id`))[0]
        .count;

    const path = `${RECORDS}/${record.id}`;
    expect((await owner.patch(path, { data: { n: 1 } })).status).toBe(200);
    await until(async () => (await delivered()) > 500);
    await crash(0);
    expect((await owner.at(servers[1].url).patch(path, { data: { n: 2 } })).status).toBe(200);
    // Written and answered while most of the first update is still on its way.
    expect(await delivered()).toBeLessThan(2 * FOLLOWERS);
    await crash(1);
    await settle(query);
    const counts = await query(
      `SELECT count, count(*)::int AS followers FROM (
         SELECT user_id, count(*)::int AS count FROM change_events WHERE user_id <> item_user_id GROUP BY user_id
       ) c GROUP BY count`,
    );
    expect(counts).toEqual([{ count: 2, followers: FOLLOWERS }]);
  }, 300_000);

  it('random sharing and pinning ends exact for everybody, through kill -9', async () => {
    const random = seededRandom();
    const pick = <T>(from: T[]) => from[Math.floor(random() * from.length)];
    const ids = ['a', 'b', 'c', 'd'];
    const apis = new Map<string, Api>();
    for (const id of ids) apis.set(id, await createDeveloper(servers[0].url, id));
    const apiOf = (id: string) => apis.get(id)!.at(pick(servers).url);
    const records: { id: string; owner: string }[] = [];
    let isOver = false;

    /** One random request. No answer is an answer too: the server may have been killed. */
    async function step(): Promise<void> {
      const dice = random();
      const who = pick(ids);
      if (dice < 0.15 || records.length === 0) {
        const input = {
          developerId: who,
          resourceType: pick(['ROUTE', 'TRIP']),
          resourceKey: String(random()),
          data: {},
        };
        const answer = await apiOf(who)
          .post(RECORDS, input)
          .catch(() => undefined);
        if (answer?.status === 201) records.push({ id: answer.body.id, owner: who });
        return;
      }
      const { id, owner } = pick(records);
      const path = `${RECORDS}/${id}`;
      const request = () => {
        if (dice < 0.4) return apiOf(owner).patch(path, { data: { v: random() } });
        if (dice < 0.45) return apiOf(owner).delete(path);
        if (dice < 0.65) return apiOf(owner).put(`${path}/shares/${who}`);
        if (dice < 0.72) return apiOf(owner).delete(`${path}/shares/${who}`);
        return dice < 0.93 ? apiOf(who).put(`${path}/pin`) : apiOf(who).delete(`${path}/pin`);
      };
      const answer = await request().catch(() => undefined);
      if (answer) expect([200, 204, 400, 403, 404]).toContain(answer.status);
    }

    const clients = ids.map((id) => new SyncClient(apiOf(id), undefined, () => 1 + Math.floor(random() * 9)));
    const followers = clients.map(async (client, n) => {
      while (!isOver) {
        client.moveTo(apiOf(ids[n]));
        // A page whose server dies is asked for again, from the same cursor.
        await client.poll().catch((error: Error) => expect(error.message).toMatch(/fetch failed|terminated/));
      }
    });
    const writers = Array.from({ length: 4 }, async () => {
      for (let n = 0; n < 120; n++) await step();
    });
    for (let round = 0; round < 3; round++) {
      await until(() => records.length >= 8 * (round + 1));
      await crash(round % 2);
    }
    await Promise.all(writers);
    isOver = true;
    await Promise.all(followers);
    await settle(query);
    for (const [n, id] of ids.entries()) {
      clients[n].moveTo(apiOf(id));
      await clients[n].catchUp();
      await expectLibrary(query, clients[n], apiOf(id), id);
      const fresh = await new SyncClient(apiOf(id)).catchUp();
      expect(fresh.received).toEqual(clients[n].received);
    }
  }, 300_000);
});
