import { expect, it } from '@jest/globals';
import { QueryFailedError } from 'typeorm';
import { RECORDS } from './support/api.js';
import { useApp } from './support/app.js';
import { withoutGuard } from './support/without-guard.js';

const app = useApp();
const query = (sql: string) => app.dataSource.query<unknown[]>(sql);

/** A developer with a record that is updated, one that is deleted, one that is pinned, and one that is new. */
async function setUp(developerId: string): Promise<void> {
  const api = await app.developer(developerId);
  const paths = [];
  for (const resourceKey of ['updated', 'deleted', 'pinned', 'new']) {
    const { id } = await api.create({ developerId, resourceType: 'ROUTE', resourceKey, data: {} });
    paths.push(`${RECORDS}/${id}`);
  }
  await api.patch(paths[0], { data: { n: 1 } });
  await api.delete(paths[1]);
  await api.put(`${paths[2]}/pin`);
}

const state = () =>
  Promise.all(['records', 'change_events', 'feeds'].map((t) => query(`SELECT * FROM ${t} ORDER BY 1, 2`)));

// Each statement is valid but for the guard, and meets rows.
it.each([
  `UPDATE records SET data = '{}'`,
  `UPDATE records SET status = status`,
  `UPDATE records SET data = '{}', updated_at = updated_at + interval '1 ms'`,
  `UPDATE records SET data = '{}', updated_at = clock_timestamp()`,
  `UPDATE records SET data = '{}', updated_at = created_at WHERE updated_at > created_at`,
  `UPDATE records SET updated_at = (SELECT max(datetime) FROM change_events WHERE action = 'updated')
   WHERE resource_key = 'new'`,
  `UPDATE records SET user_id = (SELECT max(user_id) FROM developers), resource_key = id::text`,
  `UPDATE records SET item_id = item_id + 1000000`,
  `UPDATE records SET id = gen_random_uuid()`,
  `UPDATE records SET developer_id = 'another'`,
  `DELETE FROM records WHERE resource_key = 'new'`,
  `DELETE FROM records WHERE resource_key = 'pinned'`,
  `TRUNCATE records CASCADE`,
  `INSERT INTO records (user_id, item_id, id, developer_id, resource_type, resource_key, data, metadata, status,
     created_at, updated_at, bytes)
   SELECT user_id, item_id + 1000000, gen_random_uuid(), developer_id, resource_type, 'by hand', data, metadata,
     status, created_at, updated_at, bytes
   FROM records WHERE resource_key = 'new'`,
  `INSERT INTO records (user_id, item_id, id, developer_id, resource_type, resource_key, data, metadata, status,
     created_at, updated_at, bytes)
   SELECT r.user_id, e.item_id, gen_random_uuid(), developer_id, resource_type, 'deleted', data, metadata,
     status, datetime, datetime, bytes
   FROM records r JOIN change_events e ON r.user_id = e.user_id AND e.action = 'deleted'
   WHERE resource_key = 'new'`,
  `INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
   SELECT user_id, datetime - interval '1 s', action, item_type, asset, item_id, item_user_id FROM change_events`,
  `INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
   SELECT user_id, clock_timestamp(), 'updated', item_type, asset, item_id, item_user_id FROM change_events LIMIT 1`,
  `UPDATE change_events SET action = 'updated'`,
  `UPDATE change_events SET datetime = datetime + interval '1 h'`,
  `UPDATE change_events SET item_id = 1`,
  `UPDATE change_events SET superseded_at = clock_timestamp() WHERE superseded_at = 'infinity'`,
  `UPDATE change_events SET superseded_at = 'infinity' WHERE superseded_at < 'infinity'`,
  `UPDATE change_events SET superseded_at = superseded_at + interval '1 ms'`,
  `UPDATE change_events e SET superseded_at = clock, action = 'deleted' FROM feeds WHERE e.user_id = feeds.user_id`,
  `DELETE FROM change_events`,
  `DELETE FROM change_events WHERE superseded_at < 'infinity'`,
  `DELETE FROM change_events WHERE action = 'deleted'`,
  `TRUNCATE change_events`,
])('refuses, and changes nothing: %s', async (sql) => {
  await setUp(`refused-${sql.length}-${Buffer.from(sql).reduce((sum, byte) => sum + byte)}`);
  const before = await state();
  const error = await query(sql).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QueryFailedError);
  expect((error as QueryFailedError).driverError).toMatchObject({
    code: '23000',
    message: expect.stringMatching(
      /^(INSERT|UPDATE|DELETE|TRUNCATE) of (records|change_events) without a change of the feed$/,
    ),
    hint: expect.stringContaining('"Repair by hand" in docs/operations.md'),
  });
  expect(await state()).toEqual(before);
});

it('refuses also what follows a transaction of the server on the same connection', async () => {
  const session = app.dataSource.createQueryRunner();
  await session.startTransaction();
  await session.query(`SELECT set_config('tidemark.changes_feed', 'on', true)`);
  await session.commitTransaction();
  await expect(session.query('DELETE FROM records')).rejects.toThrow('without a change of the feed');
  await session.release();
});

it('is off for a superuser who says so, until the transaction ends', async () => {
  await setUp('off');
  await withoutGuard(app.dataSource, `UPDATE records SET data = '{"by": "hand"}' WHERE developer_id = 'off'`);
  expect(await query(`SELECT DISTINCT data::text FROM records WHERE developer_id = 'off'`)).toEqual([
    { data: '{"by": "hand"}' },
  ]);
  await expect(query(`UPDATE records SET data = '{}'`)).rejects.toThrow('without a change of the feed');
});
