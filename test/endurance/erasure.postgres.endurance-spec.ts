import { expect, it } from '@jest/globals';
import { RECORDS } from '../support/api.js';
import { expectLibrary, settle } from '../support/followers.js';
import { ReadmeClient } from '../support/readme-client.js';
import { createDeveloper, ServerProcess } from '../support/server.js';
import { SyncClient } from '../support/sync-client.js';
import { isErased, tracesOf, userIdOf } from '../support/traces.js';
import { useTwoServers } from '../support/two-servers.js';
import { until } from '../support/until.js';

const all = useTwoServers();
const { query } = all;

it('an erasure ends after kill -9 in the middle, and the copies of followers are exact', async () => {
  const developerId = 'large';
  const dev = await createDeveloper(all.servers[0].url, developerId);
  const reader = await createDeveloper(all.servers[0].url, 'reader');
  const userId = await userIdOf(query, developerId);
  await query('BEGIN');
  await query(`SELECT set_config('tidemark.changes_feed', 'on', true)`);
  await query(
    `INSERT INTO records (user_id, item_id, id, developer_id, resource_type, resource_key, data, metadata, status,
       created_at, updated_at, bytes)
     SELECT user_id, nextval('item_ids'), gen_random_uuid(), developer_id, 'ROUTE', 'key-' || n, '{}', '{}', 'ACTIVE',
       clock + n * interval '1 ms', clock + n * interval '1 ms', 4
     FROM feeds, generate_series(1, 60000) n WHERE developer_id = $1 ORDER BY n`,
    [developerId],
  );
  await query(
    `INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
     SELECT user_id, created_at, 'created', 'route', 'routes', item_id, user_id FROM records WHERE user_id = $1`,
    [userId],
  );
  await query(`UPDATE feeds SET clock = clock + interval '60 s' WHERE user_id = $1`, [userId]);
  await query('COMMIT');
  const shared = await query(`SELECT id FROM records WHERE user_id = $1 ORDER BY random() LIMIT 150`, [
    userId,
  ]);
  for (const { id } of shared as { id: string }[]) {
    await dev.put(`${RECORDS}/${id}/shares/reader`);
    await reader.put(`${RECORDS}/${id}/pin`);
  }
  const copy = await new SyncClient(reader).catchUp();
  const readme = new ReadmeClient(reader);
  await readme.sync(true);
  const count = async () =>
    (await query('SELECT count(*)::int AS count FROM records WHERE user_id = $1', [userId]))[0]
      .count as number;
  const sharedLeft = async () =>
    (await query('SELECT count(*)::int AS count FROM shares WHERE user_id = $1', [userId]))[0]
      .count as number;

  expect((await all.servers[0].admin.delete(`/api/v1/developers/${developerId}`)).status).toBe(204);
  // Once among the shared records, and once among the others.
  await until(async () => (await sharedLeft()) < 150);
  await crashAll();
  expect(await count()).toBeGreaterThan(0);
  await until(async () => (await count()) < 50_000);
  await crashAll();
  await until(() => isErased(query, userId));
  await settle(query);
  expect(await tracesOf(query, { userId, developerId })).toEqual([]);
  const moved = reader.at(all.servers[0].url);
  copy.moveTo(moved);
  await copy.catchUp();
  expect(copy.received.filter(({ action }) => action === 'removed')).toHaveLength(150);
  await expectLibrary(query, copy, moved, 'reader');
  readme.moveTo(moved);
  await readme.sync(true);
  expect(readme.copy.size).toBe(0);
}, 300_000);

/** kill -9 of every process, and new ones in their places. */
async function crashAll(): Promise<void> {
  await Promise.all(all.servers.map((server) => server.stop('SIGKILL')));
  all.servers = await Promise.all([1, 2].map(() => ServerProcess.start(all.database.env)));
}
