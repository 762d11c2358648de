import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Api, RECORDS } from '../support/api.js';
import { expectLibrary, settle } from '../support/followers.js';
import { Gate } from '../support/gate.js';
import { seededRandom } from '../support/random.js';
import { createDatabase, createDeveloper, ServerProcess, type TestDatabase } from '../support/server.js';
import { SyncClient } from '../support/sync-client.js';
import { until } from '../support/until.js';

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
        RETURNING user_id, developer_id, created_at
      )
      INSERT INTO feeds (user_id, developer_id, born, clock)
      SELECT user_id, developer_id, created_at, created_at FROM made`,
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
