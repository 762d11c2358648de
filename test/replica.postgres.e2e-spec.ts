import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { PostgresServer } from '../tools/postgres.js';
import { type Api, RECORDS } from './support/api.js';
import { digestOf } from './support/digest.js';
import { createDeveloper, ServerProcess } from './support/server.js';
import { expectExactCopy, SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';

let primary: PostgresServer;
let standby: PostgresServer;
let server: ServerProcess;
let dev: Api;

const onStandby = async (sql: string) => {
  const client = new Client(standby.url);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};
const create = (resourceKey: string) =>
  dev.create({ developerId: 'dev-1', resourceType: 'ROUTE', resourceKey, data: {} });
const newest = async (since: string) => (await dev.sync({ since })).body.items.at(-1)?.datetime;

describe('with a streaming replica', () => {
  beforeAll(async () => {
    primary = await PostgresServer.start({ fsync: 'off' });
    standby = await primary.startStandby();
    server = await ServerProcess.start({
      DATABASE_URL: primary.url,
      DATABASE_REPLICA_URL: standby.url,
    });
    dev = await createDeveloper(server.url, 'dev-1');
  });
  afterAll(async () => {
    await server?.stop();
    await standby?.destroy();
    await primary?.destroy();
  });

  it('a replica that stands still makes followers fall behind, and lose nothing', async () => {
    const first = await create('first');
    await until(async () => (await newest('1970-01-01')) === first.updatedAt);
    const follower = await new SyncClient(dev).catchUp();
    await onStandby('SELECT pg_wal_replay_pause()');
    await until(
      async () => (await onStandby('SELECT pg_get_wal_replay_pause_state() AS s'))[0].s === 'paused',
    );
    const second = await create('second');
    // The replica answers who has not got further than it has,
    expect(await newest('1970-01-01')).toBe(first.updatedAt);
    expect(await follower.poll({ digest: true })).toBe(0);
    expect(follower.meta!.digest).toEqual(await digestOf(follower.copy()));
    // and the primary who has: nobody's cursor goes back.
    const { body } = await dev.sync({ since: second.updatedAt, digest: 'true' });
    expect(body.items).toEqual([]);
    expect(body.meta.digest.items).toBe(2);
    expect(Date.parse(body.meta.rwgps_datetime)).toBe(Date.parse(second.updatedAt));
    expect(await newest(new Date(Date.parse(first.updatedAt) + 1).toISOString())).toBe(second.updatedAt);
    // A developer of whom the replica has not heard has a feed, too.
    expect((await (await createDeveloper(server.url, 'dev-2')).sync({ since: '1970-01-01' })).status).toBe(
      200,
    );

    await onStandby('SELECT pg_wal_replay_resume()');
    await until(async () => (await follower.poll()) === 1);
    await expectExactCopy(follower, dev, 'dev-1');
  });

  it('without the replica, the primary answers', async () => {
    await standby.stop('immediate');
    const third = await create('third');
    expect(await newest('1970-01-01')).toBe(third.updatedAt);
    await standby.start();
    await onStandby('SELECT pg_wal_replay_pause()');
    const path = `${RECORDS}/${third.id}`;
    // It is asked again, some seconds later: the answers get older than the last write.
    await until(async () => {
      const { updatedAt } = (await dev.patch(path, { data: { at: Math.random() } })).body;
      return (await newest('1970-01-01')) !== updatedAt;
    });
    await onStandby('SELECT pg_wal_replay_resume()');
  });
});
