import { describe, expect, it } from '@jest/globals';
import { type Api, RECORDS } from '../support/api.js';
import { expectLibrary, settle } from '../support/followers.js';
import { SyncClient, type SyncItem } from '../support/sync-client.js';
import { withoutGuard } from '../support/without-guard.js';
import { app } from './app.js';
import { createLibraries, randomLibraries } from './random-libraries.js';

const ENDS = ['deleted', 'removed'];

const query = (sql: string, values?: unknown[]) => app.dataSource.query(sql, values);

async function ownId(developerId: string): Promise<number> {
  const [{ id }] = await query('SELECT user_id AS id FROM developers WHERE developer_id = $1', [developerId]);
  return id;
}

/** Is this about a pin, and not about an item of the feed's own? */
const isOfPin = (item: SyncItem, self: number) => item.collection !== null || item.item_user_id !== self;

/** What a compact answer has to be, made from every change of the feed up to its clock. */
function compact(all: SyncItem[], since: string, self: number): SyncItem[] {
  const threads = new Map<string, SyncItem[]>();
  for (const item of all) {
    const key = `${item.item_id} ${isOfPin(item, self)}`;
    threads.set(key, [...(threads.get(key) ?? []), item]);
  }
  const told: SyncItem[] = [];
  for (const thread of threads.values()) {
    const latest = thread.at(-1)!;
    const known = thread.filter((item) => item.datetime <= since).at(-1);
    const isKnown = known !== undefined && !ENDS.includes(known.action);
    if (latest.datetime <= since || (ENDS.includes(latest.action) && !isKnown)) continue;
    if (latest.action !== 'updated' || isKnown) told.push(latest);
    else if (!isOfPin(latest, self)) told.push({ ...latest, action: 'created' });
    else told.push({ ...latest, action: 'added', collection: thread[0].collection });
  }
  return told.sort((a, b) => (a.datetime < b.datetime ? -1 : 1));
}

async function read(api: Api, parameters: Record<string, string>): Promise<SyncItem[]> {
  const { status, body } = await api.sync(parameters);
  expect(status).toBe(200);
  expect(body.meta.item_count).toBe(body.items.length);
  return body.items;
}

/** One change of each kind in the feed of a developer; random steps alone leave one out now and then. */
async function everyAction(api: Api, developerId: string) {
  const { id } = await api.create({ developerId, resourceType: 'TRIP', resourceKey: 'every', data: {} });
  await api.patch(`${RECORDS}/${id}`, { data: { step: -1 } });
  await api.put(`${RECORDS}/${id}/pin`);
  await api.delete(`${RECORDS}/${id}/pin`);
  await api.delete(`${RECORDS}/${id}`);
  await settle(query);
}

describe('compact=true', () => {
  it('is the latest change of each item and pin, whatever happened and wherever it starts', async () => {
    const { names, apis } = await randomLibraries(150);
    for (const [i, api] of apis.entries()) {
      await everyAction(api, names[i]);
      const self = await ownId(names[i]);
      const all = await read(api, { since: '1970-01-01' });
      expect(new Set(all.map(({ action }) => action)).size).toBe(5);
      for (const since of ['1970-01-01', ...all.map(({ datetime }) => datetime)]) {
        for (const asset of [undefined, 'routes', 'trips']) {
          const ofAsset = all.filter((item) => !asset || `${item.item_type}s` === asset);
          expect(await read(api, { since, compact: 'true', ...(asset && { assets: asset }) })).toEqual(
            compact(ofAsset, since, self),
          );
        }
      }
    }
  });

  it('leads to the exact library, in one answer and in pages, while things go on changing', async () => {
    const { names, apis, random } = await randomLibraries(100);
    for (const [i, api] of apis.entries()) {
      const whole = new SyncClient(api, '1970-01-01&compact=true');
      const pages = () => 1 + Math.floor(random() * 3);
      const paging = new SyncClient(api, '1970-01-01&compact=true', pages, await ownId(names[i]));
      while ((await paging.poll()) > 0) {
        const [record] = (await api.get(`${RECORDS}?limit=1`)).body.data;
        if (record && random() < 0.5) await api.patch(`${RECORDS}/${record.id}`, { data: { at: random() } });
      }
      await settle(query);
      for (const client of [whole, paging]) {
        await client.catchUp();
        await expectLibrary(query, client, api, names[i]);
      }
    }
  });

  it('goes on with compact=true after a page that was cut, and with the plain feed at its end', async () => {
    const {
      apis: [api],
      names: [developerId],
    } = await createLibraries();
    for (const resourceKey of ['a', 'b', 'c'])
      await api.create({ developerId, resourceType: 'ROUTE', resourceKey, data: {} });
    const next = async (parameters: Record<string, string>) => {
      const { body } = await api.sync({ since: '1970-01-01', ...parameters });
      return {
        more: body.meta.has_more,
        compact: new URL(body.meta.next_sync_url).searchParams.get('compact'),
      };
    };
    expect(await next({ compact: 'true', limit: '2' })).toEqual({ more: true, compact: 'true' });
    expect(await next({ compact: 'true', limit: '3' })).toEqual({ more: false, compact: null });
    expect(await next({ compact: 'true' })).toEqual({ more: undefined, compact: null });
    expect(await next({ compact: 'false', limit: '2' })).toEqual({ more: true, compact: 'false' });
  });

  it.each(['', '1', 'TRUE', 'yes'])('refuses %p', async (value) => {
    const [api] = (await createLibraries()).apis;
    const { status, body } = await api.sync({ since: '1970-01-01', compact: value });
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'invalid_request' });
  });

  it.each(['custom', 'generic'])(
    'reads no history, with a %s plan: neither what was superseded nor what came and went',
    async (kind) => {
      const name = `compact-history-${kind}`;
      const api = await app.developer(name);
      await api.create({ developerId: name, resourceType: 'ROUTE', resourceKey: 'a', data: {} });
      await withoutGuard(
        app.dataSource,
        `INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id, superseded_at)
       SELECT d.user_id, '2001-01-01'::timestamptz + n * interval '1 ms', a.action, 'route', 'routes', a.item, d.user_id, a.until
       FROM developers d, generate_series(1, 40000) n, LATERAL (
         SELECT CASE WHEN n % 2 = 0 THEN 'updated' ELSE 'deleted' END AS action, -n AS item,
           CASE WHEN n % 2 = 0 THEN '2001-01-01'::timestamptz + (n + 1) * interval '1 ms' ELSE 'infinity' END AS until
       ) a
       WHERE d.developer_id = $1`,
        [name],
      );
      await query('VACUUM ANALYZE change_events');
      const { READ_LATEST_CHANGES } = await import('../../src/sync-feed/read-changes.js');
      const id = await ownId(name);
      const plan = await app.dataSource.transaction(async (manager) => {
        await manager.query(`SET LOCAL plan_cache_mode = force_${kind}_plan`);
        await manager.query(`PREPARE latest AS ${READ_LATEST_CHANGES}`);
        const values = `${id}, '1970-01-01', null, 500, clock_timestamp(), '', '1970-01-01'`;
        const [row] = await manager.query(
          `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE latest(${values})`,
        );
        await manager.query('DEALLOCATE latest');
        return row['QUERY PLAN'];
      });
      // In pages of 8 kB; the history has more than 400.
      expect(plan[0].Plan['Shared Hit Blocks'] + plan[0].Plan['Shared Read Blocks']).toBeLessThan(30);
      expect(await read(api, { since: '1970-01-01', compact: 'true' })).toHaveLength(1);
    },
  );
});
