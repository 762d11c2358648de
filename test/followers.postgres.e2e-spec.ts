import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Api, RECORDS } from './support/api.js';
import { expectError } from './support/errors.js';
import { expectLibrary, settle } from './support/followers.js';
import { Gate } from './support/gate.js';
import { startApp, type TestApp } from './support/server.js';
import { SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';
import { GUARD_OFF } from './support/without-guard.js';

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
    await gate.session.query('SELECT FROM feeds WHERE developer_id = $1 FOR UPDATE', [scene.followerId]);
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
    await gate.session.query(GUARD_OFF);
    const id = scene.path.split('/').at(-1);
    await gate.session.query(
      'DELETE FROM shares USING records WHERE shares.item_id = records.item_id AND id = $1',
      [id],
    );
    await gate.session.query('DELETE FROM records WHERE id = $1', [id]);
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
    await gate.session.query('SELECT FROM feeds WHERE developer_id = $1 FOR UPDATE', [scene.followerId]);
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
