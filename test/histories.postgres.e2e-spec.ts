import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { Client } from 'pg';
import { PostgresServer } from '../tools/postgres.js';
import { type Answer, Api, RECORDS } from './support/api.js';
import { createClient } from './support/api-clients.js';
import { getTokens, post, setPassword } from './support/oauth.js';
import { Receiver } from './support/receiver.js';
import { createDeveloper, ServerProcess } from './support/server.js';
import { expectExactCopy, SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';
import { createApplication } from './support/webhooks.js';

const MINUTE = 60_000;

let primary: PostgresServer;
let standby: PostgresServer;
let servers: ServerProcess[];

const onServer = async (server: PostgresServer, sql: string) => {
  const client = new Client(server.url);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};
const create = async (api: Api, developerId: string, resourceKey: string) => {
  const { status, body } = await api.post(RECORDS, {
    developerId,
    resourceType: 'ROUTE',
    resourceKey,
    data: {},
  });
  expect(status).toBe(201);
  return body;
};
/** A request while a process notices that the database was replaced: 503, never a 500. */
const settled = async (request: () => Promise<Answer>) => {
  for (;;) {
    const answer = await request();
    if (answer.status !== 503) return answer;
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  }
};
/** Whether the standby has all that the primary has. */
const isCaughtUp = async () => {
  const [{ lsn }] = await onServer(primary, 'SELECT pg_current_wal_flush_lsn() AS lsn');
  const [{ done }] = await onServer(standby, `SELECT pg_last_wal_replay_lsn() >= '${lsn}' AS done`);
  return done as boolean;
};

describe('failover to a standby', () => {
  beforeEach(async () => {
    primary = await PostgresServer.start({ fsync: 'off' });
    standby = await primary.startStandby();
    servers = await Promise.all(
      [1, 2].map(() => ServerProcess.start({ DATABASE_URL: primary.url, WEBHOOK_ALLOW_PRIVATE: 'true' })),
    );
  }, 2 * MINUTE);
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await standby.destroy();
    await primary.destroy();
  }, 2 * MINUTE);

  it('that lacks the last transactions: no record gets into the library of another developer', async () => {
    const [first, second] = servers;
    await createDeveloper(first.url, 'old');
    await until(isCaughtUp);
    await standby.stop();
    // Lost: the standby has not received it.
    const lost = await createDeveloper(first.url, 'lost');
    await create(lost, 'lost', 'before');
    const [{ user_id: lostId }] = await onServer(
      primary,
      `SELECT user_id FROM developers WHERE developer_id = 'lost'`,
    );
    await standby.takeOver(primary);

    // Each process remembers the lost developer. The second one makes a new developer first.
    const { body: key } = await settled(() =>
      second.admin.post('/api/v1/api-keys', { developerId: 'new', scopes: ['sync:read', 'sync:write'] }),
    );
    const other = second.admin.at(second.url);
    Object.assign(other, { key: key.key });
    const { status, body } = await settled(() =>
      first.admin.post(RECORDS, {
        developerId: 'lost',
        resourceType: 'ROUTE',
        resourceKey: 'after',
        data: {},
      }),
    );
    expect(status).toBe(201);
    expect(body.developerId).toBe('lost');
    expect((await other.get(`${RECORDS}?limit=10`)).body.total).toBe(0);
    expect((await other.sync({ since: '1970-01-01' })).body.items).toEqual([]);
    expect((await other.get(`${RECORDS}/${body.id}`)).status).toBe(403);
    // The lost key is gone, and a new one works.
    expect((await settled(() => lost.get(RECORDS))).status).toBe(401);
    expect(
      (await first.admin.post('/api/v1/api-keys', { developerId: 'lost', scopes: ['sync:read'] })).status,
    ).toBe(201);
    // Ids of the lost time are not handed out again.
    const ids = await onServer(standby, `SELECT user_id FROM developers WHERE developer_id <> 'old'`);
    for (const { user_id } of ids) expect(user_id).toBeGreaterThan(lostId);
  });

  it('that lacks the last transactions: a lost cursor gets 410, every other one goes on', async () => {
    const [server] = servers;
    const [dev, quiet] = [
      await createDeveloper(server.url, 'dev'),
      await createDeveloper(server.url, 'quiet'),
    ];
    const kept = await create(dev, 'dev', 'kept');
    const deleted = await create(dev, 'dev', 'deleted later');
    await create(quiet, 'quiet', 'kept');
    const early = await new SyncClient(dev).catchUp();
    const idle = await new SyncClient(quiet).catchUp();
    await until(isCaughtUp);
    await standby.stop();
    const ghost = await create(dev, 'dev', 'ghost');
    await dev.patch(`${RECORDS}/${kept.id}`, { data: { lost: true } });
    await dev.delete(`${RECORDS}/${deleted.id}`);
    const late = await new SyncClient(dev).catchUp();
    const lostCursor = (await dev.sync({ since: '1970-01-01' })).body.meta.rwgps_datetime;
    await standby.takeOver(primary);

    const refused = await settled(() => dev.sync({ since: lostCursor, assets: 'routes' }));
    expect(refused.status).toBe(410);
    expect(refused.body).toMatchObject({ code: 'cursor_lost', error: 'Cursor lost' });
    const resync = new URL(refused.body.resync_url);
    expect(Object.fromEntries(resync.searchParams)).toEqual({
      since: '1970-01-01T00:00:00Z',
      compact: 'true',
      assets: 'routes',
    });
    // Nobody else is refused.
    expect(await early.poll()).toBe(0);
    expect(await idle.poll()).toBe(0);
    expect((await dev.sync({ since: '2024-09-01' })).status).toBe(200);
    expect((await dev.sync({ since: '2999-01-01' })).status).toBe(200);

    // New changes: later than all that was lost, also by datetime.
    const after = await create(dev, 'dev', 'after');
    expect(Date.parse(after.updatedAt)).toBeGreaterThan(Date.parse(lostCursor));
    expect(after.id).not.toBe(ghost.id);
    expect((await dev.sync({ since: lostCursor })).status).toBe(410);
    expect(await early.poll()).toBe(1);
    await expectExactCopy(early, dev, 'dev');
    await expectExactCopy(idle, quiet, 'quiet');
    // The late follower starts anew from the link, and is exact.
    const items = (await dev.get(refused.body.resync_url)).body.items;
    expect(items.map(({ action }: { action: string }) => action)).toEqual(['created', 'created', 'created']);
    expect(late.items.size).not.toBe(0);
    const anew = await new SyncClient(dev).catchUp();
    await expectExactCopy(anew, dev, 'dev');
    const lostIds = late.items.keys();
    for (const id of [...anew.items.keys()].slice(-1)) expect([...lostIds]).not.toContain(id);
  });

  it('a clean one refuses nobody', async () => {
    const [server] = servers;
    const dev = await createDeveloper(server.url, 'dev');
    const born = await new SyncClient(await createDeveloper(server.url, 'empty')).catchUp();
    for (const key of ['a', 'b', 'c']) await create(dev, 'dev', key);
    const cursors: string[] = [];
    for (const { datetime } of (await dev.sync({ since: '1970-01-01' })).body.items) cursors.push(datetime);
    const follower = await new SyncClient(dev).catchUp();
    await until(isCaughtUp);
    await standby.takeOver(primary);
    await settled(() => dev.sync({ since: '1970-01-01' }));
    for (const since of cursors) expect((await dev.sync({ since })).status).toBe(200);
    await create(dev, 'dev', 'd');
    for (const since of cursors) expect((await dev.sync({ since })).status).toBe(200);
    expect(await follower.poll()).toBe(1);
    await expectExactCopy(follower, dev, 'dev');
    await create(server.admin, 'empty', 'first');
    expect(await born.poll()).toBe(1);
  });

  it('webhooks: each position gets a delivery, so that a receiver with a lost cursor notices', async () => {
    const [server] = servers;
    const receiver = await Receiver.start();
    try {
      const { connect } = await createApplication(server.admin, receiver);
      const dev = await connect('dev');
      await create(dev, 'dev', 'kept');
      await until(() => receiver.received.length === 1);
      const [kept] = receiver.received;
      await until(
        async () =>
          (await onServer(primary, 'SELECT FROM webhook_positions WHERE due_at IS NULL')).length > 0,
      );
      await until(isCaughtUp);
      await standby.stop();
      await create(dev, 'dev', 'lost');
      await until(() => receiver.received.length === 2);
      const lost = receiver.received[1].range!.until;
      await standby.takeOver(primary);

      // There is no change after the failover: the delivery comes by itself, and covers the lost time.
      await until(() => receiver.received.length > 2);
      const { range, notifications } = receiver.received[2];
      expect(notifications).toEqual([]);
      expect(range!.since).toBe(kept.range!.until);
      expect(Date.parse(range!.until)).toBeGreaterThan(Date.parse(lost));
      expect((await settled(() => dev.sync({ since: lost }))).status).toBe(410);
      // The next change follows without a gap.
      await create(dev, 'dev', 'after');
      await until(() => receiver.received.length > 3);
      expect(receiver.received[3].range!.since).toBe(range!.until);
      expect(receiver.received[3].notifications).toHaveLength(1);
      expect(receiver.refused).toEqual([]);
    } finally {
      await receiver.close();
    }
  });

  it('tokens and grants: those of the lost time are gone, revocations are undone, the others work', async () => {
    const [{ url, admin }] = servers;
    const client = await createClient(admin);
    for (const developerId of ['dev', 'late']) await setPassword(admin, developerId);
    const [kept, revoked] = [await getTokens(url, client, 'dev'), await getTokens(url, client, 'dev')];
    await until(isCaughtUp);
    await standby.stop();
    const refresh = (refresh_token: string) =>
      settled(() => post(url, '/oauth/token', client, { grant_type: 'refresh_token', refresh_token }));
    const isAccepted = async ({ access_token }: { access_token: string }) =>
      (await settled(() => new Api(url, access_token).get(RECORDS))).status;
    const lost = (await refresh(kept.refresh_token)).body;
    const late = await getTokens(url, client, 'late');
    await post(url, '/oauth/revoke', client, { token: revoked.refresh_token });
    expect([await isAccepted(lost), await isAccepted(late), await isAccepted(revoked)]).toEqual([
      200, 200, 401,
    ]);
    await standby.takeOver(primary);

    expect((await refresh(lost.refresh_token)).body.error).toBe('invalid_grant');
    expect((await refresh(late.refresh_token)).body.error).toBe('invalid_grant');
    expect(await isAccepted(late)).toBe(401);
    // The grant has survived: its access tokens live on, and so does the refresh token that was used.
    expect([await isAccepted(kept), await isAccepted(lost), await isAccepted(revoked)]).toEqual([
      200, 200, 200,
    ]);
    expect((await refresh(kept.refresh_token)).status).toBe(200);
  });

  it('pins go back with the records: followers get later updates, and nothing of the lost time', async () => {
    const [server] = servers;
    const [owner, reader] = [
      await createDeveloper(server.url, 'owner'),
      await createDeveloper(server.url, 'reader'),
    ];
    const [kept, lost] = [await create(owner, 'owner', 'kept'), await create(owner, 'owner', 'lost')];
    for (const { id } of [kept, lost]) await owner.put(`${RECORDS}/${id}/shares/reader`);
    await reader.put(`${RECORDS}/${kept.id}/pin`);
    const early = await new SyncClient(reader).catchUp();
    await until(isCaughtUp);
    await standby.stop();
    await reader.delete(`${RECORDS}/${kept.id}/pin`);
    await reader.put(`${RECORDS}/${lost.id}/pin`);
    await owner.patch(`${RECORDS}/${kept.id}`, { data: { lost: true } });
    await standby.takeOver(primary);

    expect((await settled(() => reader.get(`${RECORDS}/${kept.id}`))).body.data).toEqual({});
    for (const [n, { id }] of [kept, lost].entries())
      expect((await settled(() => owner.patch(`${RECORDS}/${id}`, { data: { n } }))).status).toBe(200);
    await until(async () => (await early.poll()) > 0);
    await expectExactCopy(early, reader, 'reader');
    const { body } = await reader.sync({ since: '1970-01-01T00:00:00Z' });
    expect(body.items.map(({ action }: { action: string }) => action)).toEqual(['added', 'updated']);
  });

  it('a replica that still has the lost time is not read', async () => {
    const [server] = servers;
    const dev = await createDeveloper(server.url, 'dev');
    await create(dev, 'dev', 'kept');
    const replica = await primary.startStandby();
    const reader = await ServerProcess.start({
      DATABASE_URL: primary.url,
      DATABASE_REPLICA_URL: replica.url,
    });
    try {
      await until(isCaughtUp);
      await standby.stop();
      await create(dev, 'dev', 'lost');
      const early = await new SyncClient(dev.at(reader.url)).catchUp();
      const { body } = await dev.sync({ since: '1970-01-01' });
      await until(async () => {
        const [{ clock }] = await onServer(replica, 'SELECT max(clock) AS clock FROM feeds');
        return clock.getTime() === Date.parse(body.meta.rwgps_datetime);
      });
      await standby.takeOver(primary);
      expect(early.items.size).toBe(2);
      const answer = await settled(() => dev.at(reader.url).sync({ since: '1970-01-01T00:00:00Z' }));
      expect(answer.status).toBe(200);
      // Any process that writes has noticed; this one notices with its first connection to the primary.
      await settled(() => dev.at(reader.url).get(RECORDS));
      const items = (await dev.at(reader.url).sync({ since: '1970-01-01T00:00:00Z' })).body.items;
      expect(items).toHaveLength(1);
      await expect(early.poll()).rejects.toThrow('410');
    } finally {
      await reader.stop();
      await replica.destroy();
    }
  });

  it('a dump that is restored into another database', async () => {
    const [server] = servers;
    const dev = await createDeveloper(server.url, 'dev');
    await create(dev, 'dev', 'kept');
    const early = await new SyncClient(dev).catchUp();
    const dump = join(primary.directory, 'dump.sql');
    await primary.execute('pg_dump', ['-d', primary.url, '-f', dump]);
    await create(dev, 'dev', 'lost');
    const lost = (await dev.sync({ since: '1970-01-01' })).body.meta.rwgps_datetime;
    await onServer(primary, 'CREATE DATABASE restored');
    await primary.execute('psql', ['-q', '-d', primary.urlOf('restored'), '-f', dump]);
    const restored = await ServerProcess.start({ DATABASE_URL: primary.urlOf('restored') });
    try {
      const there = dev.at(restored.url);
      expect((await there.sync({ since: lost })).status).toBe(410);
      early.moveTo(there);
      expect(await early.poll()).toBe(0);
      await create(there, 'dev', 'after');
      expect(await early.poll()).toBe(1);
      await expectExactCopy(early, there, 'dev');
    } finally {
      await restored.stop();
    }
  });
});
