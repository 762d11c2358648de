import { expect, it } from '@jest/globals';
import { type Api, RECORDS } from './support/api.js';
import { useApp } from './support/app.js';
import { seededRandom } from './support/random.js';
import { expectExactCopy, SyncClient, type SyncItem } from './support/sync-client.js';
import { until } from './support/until.js';

/** Five seconds, in days. */
const app = useApp({ FEED_RETENTION_DAYS: String(5 / 86_400) });

const create = (api: Api, developerId: string, resourceKey: string) =>
  api.create({ developerId, resourceType: 'ROUTE', resourceKey, data: {} });
const patch = (api: Api, id: string, n: number) => api.patch(`${RECORDS}/${id}`, { data: { n } });
const countEvents = async (developerId: string): Promise<number> => {
  const [{ count }] = await app.dataSource.query(
    `SELECT count(*)::int AS count FROM change_events JOIN feeds USING (user_id) WHERE developer_id = $1`,
    [developerId],
  );
  return count;
};
/** Waits until retention has pruned all that it can. @param kept number of changes that stay */
const pruned = (developerId: string, kept: number) =>
  until(async () => (await countEvents(developerId)) === kept);
const before = (datetime: string) => new Date(Date.parse(datetime) - 1).toISOString();

it('before anything is pruned, every since is allowed, and the answer says so', async () => {
  const dev = await app.developer('fresh');
  await create(dev, 'fresh', 'a');
  const { status, body } = await dev.sync({ since: '1970-01-01T00:00:00Z' });
  expect(status).toBe(200);
  expect(body.meta.oldest_since).toBe('1970-01-01T00:00:00.000+00:00');
});

it('the boundary is exact to the millisecond, and a client that starts anew is exact', async () => {
  const dev = await app.developer('dev');
  const { id } = await create(dev, 'dev', 'a');
  const gone = await create(dev, 'dev', 'b');
  await create(dev, 'dev', 'c');
  const stale = await new SyncClient(dev).catchUp();
  await dev.delete(`${RECORDS}/${gone.id}`);
  for (let n = 0; n < 5; n++) await patch(dev, id, n);
  const current = await new SyncClient(dev).catchUp();
  await pruned('dev', 2);

  const { meta } = (await dev.sync({ since: '1970-01-01T00:00:00Z', compact: 'true' })).body;
  const oldest = meta.oldest_since;
  expect((await dev.sync({ since: oldest })).status).toBe(200);
  const { status, body } = await dev.sync({ since: before(oldest), assets: 'routes' });
  expect(status).toBe(410);
  expect(body).toMatchObject({ code: 'cursor_expired', error: 'Cursor expired' });
  expect(Object.fromEntries(new URL(body.resync_url).searchParams)).toEqual({
    since: '1970-01-01T00:00:00Z',
    compact: 'true',
    assets: 'routes',
  });
  expect((await dev.sync({ since: '1970-01-01T00:00:00Z' })).status).toBe(410);
  expect((await dev.sync({ since: before(oldest), compact: 'true' })).status).toBe(410);
  await expect(stale.poll()).rejects.toThrow('410');

  // The copy that starts anew has no item that was deleted meanwhile.
  const { items } = (await dev.get(body.resync_url)).body;
  expect(items.map(({ action }: SyncItem) => action)).toEqual(['created', 'created']);
  // The client that was up to date goes on.
  await create(dev, 'dev', 'd');
  expect(await current.poll()).toBe(1);
  await expectExactCopy(current, dev, 'dev');
});

it('a compact first sync never expires, page by page either, and what changes meanwhile follows', async () => {
  const dev = await app.developer('pages');
  const ids: string[] = [];
  for (let n = 0; n < 6; n++) ids.push((await create(dev, 'pages', `k${n}`)).id);
  for (const id of ids.slice(3)) await patch(dev, id, 1);
  const copy = new Map<number, SyncItem>();
  const apply = (items: SyncItem[]) => {
    for (const item of items)
      if (item.action === 'deleted') copy.delete(item.item_id);
      else copy.set(item.item_id, item);
  };
  let answer = await dev.sync({ since: '1970-01-01T00:00:00Z', compact: 'true', limit: '1' });
  apply(answer.body.items);
  // The floor rises above the cursor of the first page, but not above the clock that the pages end at.
  await pruned('pages', 6);
  expect(Date.parse(answer.body.meta.oldest_since)).toBeLessThanOrEqual(Date.now());
  await patch(dev, ids[0], 2);
  for (let pages = 0; answer.body.meta.has_more; pages++) {
    expect(pages).toBeLessThan(10);
    const url = new URL(answer.body.meta.next_sync_url);
    answer = await dev.get(`${url.pathname}${url.search}&limit=1`);
    expect(answer.status).toBe(200);
    apply(answer.body.items);
  }
  expect(copy.size).toBe(6);
  answer = await dev.get(answer.body.meta.next_sync_url);
  expect(answer.body.items).toHaveLength(1);
  apply(answer.body.items);
  const list = (await dev.get(`${RECORDS}?limit=100`)).body.data as { updatedAt: string }[];
  expect([...copy.values()].map(({ datetime }) => datetime).sort()).toEqual(
    list.map(({ updatedAt }) => updatedAt).sort(),
  );
});

it('a compact sync whose first page is older than what was pruned starts anew', async () => {
  const dev = await app.developer('late');
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.push((await create(dev, 'late', `k${n}`)).id);
  const { meta } = (await dev.sync({ since: '1970-01-01T00:00:00Z', compact: 'true', limit: '1' })).body;
  await dev.delete(`${RECORDS}/${ids[0]}`);
  await pruned('late', 2);
  const { status, body } = await dev.get(meta.next_sync_url);
  expect([status, body.code]).toEqual([410, 'cursor_expired']);
});

it('until is for pages of a compact sync alone', async () => {
  const dev = await app.developer('until');
  const { status, body } = await dev.sync({ since: '1970-01-01', until: '2030-01-01T00:00:00Z' });
  expect([status, body.code]).toEqual([400, 'invalid_request']);
  const wrong = await dev.sync({ since: '1970-01-01', compact: 'true', until: 'tomorrow' });
  expect(wrong.body.details).toMatch(/^until must be a datetime/);
});

it('growth is bounded while changes go on, and followers that poll are exact', async () => {
  const random = seededRandom();
  const dev = await app.developer('busy');
  const ids: string[] = [];
  const follower = new SyncClient(dev, undefined, () => 1 + Math.floor(random() * 7));
  for (let n = 0; n < 150; n++) {
    const at = Math.floor(random() * ids.length);
    const action = random();
    if (ids.length < 3 || action < 0.1) ids.push((await create(dev, 'busy', `k${n}`)).id);
    else if (action < 0.2) await dev.delete(`${RECORDS}/${ids.splice(at, 1)[0]}`);
    else await patch(dev, ids[at], n);
    if (random() < 0.3) await follower.catchUp();
  }
  await follower.catchUp();
  await expectExactCopy(follower, dev, 'busy');
  await pruned('busy', ids.length);
  const compact = (await dev.sync({ since: '1970-01-01T00:00:00Z', compact: 'true' })).body.items;
  expect(compact).toHaveLength(ids.length);
});
