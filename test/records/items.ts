import { describe, expect, it } from '@jest/globals';
import { type Api, RECORDS } from '../support/api.js';
import { app } from './app.js';

let count = 0;

async function newDeveloper() {
  const developerId = `items-${++count}`;
  const api = await app.developer(developerId);
  const create = (resourceType: string, data: Record<string, unknown> = { n: ++count }) =>
    api.create({ developerId, resourceType, resourceKey: `key-${++count}`, data });
  const urls = async () =>
    (await api.sync('since=1970-01-01')).body.items.map((item: { item_url: string }) => item.item_url);
  return { developerId, api, create, urls };
}

/** The answer as it is on the wire. */
async function textOf({ url, key }: Api, path: string): Promise<string> {
  const answer = await fetch(url + path.replace(/^https?:\/\/[^/]+/, ''), {
    headers: { authorization: `Bearer ${key}` },
  });
  expect([path, answer.status]).toEqual([path, 200]);
  return answer.text();
}

describe('the members of data', () => {
  it('are beside those of the item, in their order, with the values as they are stored', async () => {
    const { api, developerId, urls } = await newDeveloper();
    const data =
      '{"name":"Loop","km":1e+21,"tiny":5e-324,"a\\"b\\\\":[1,{"x":null}],"__proto__":{"y":1},"ü\\n":"é😀","":true}';
    const body = `{"developerId":"${developerId}","resourceType":"TRIP","resourceKey":"1","data":${data}}`;
    const headers = { 'content-type': 'application/json' };
    expect((await api.request('POST', RECORDS, { headers, body })).status).toBe(201);
    const text = await textOf(api, (await urls())[0]);
    expect(text).toContain(`"data":${data},"metadata":{},`);
    expect(text.endsWith(`,${data.slice(1, -1)}}}`)).toBe(true);
  });

  it('do not replace those of the item', async () => {
    const { api, create, urls } = await newDeveloper();
    const names = [
      ...['id', 'user_id', 'url', 'record_id', 'resource_type', 'resource_key', 'status'],
      ...['data', 'metadata', 'created_at', 'updated_at'],
    ];
    const record = await create('TRIP', {
      ...Object.fromEntries(names.map((name) => [name, 'mine'])),
      ID: 1,
    });
    const [url] = await urls();
    const { trip } = (await api.get(url)).body;
    expect(trip).toMatchObject({ url, record_id: record.id, data: record.data, metadata: {}, ID: 1 });
    expect(Object.keys(trip)).toEqual([...names, 'ID']);
    // The item's own, and that in `data`: a parser would take the last of several.
    expect((await textOf(api, url)).match(/"record_id":/g)).toHaveLength(2);
  });

  it('may be none', async () => {
    const { api, create, urls } = await newDeveloper();
    await create('TRIP', {});
    expect((await api.get((await urls())[0])).body.trip.data).toEqual({});
  });
});

describe('GET /api/v1/{assets}.json', () => {
  it('lists the own items of a type, page by page, each exactly as on its item page', async () => {
    const { api, create, urls } = await newDeveloper();
    await (await newDeveloper()).create('ROUTE');
    for (const type of ['ROUTE', 'TRIP', 'route', 'ROUTE', 'Route']) await create(type);
    const routes: string[] = (await urls()).filter((url: string) => url.includes('/routes/'));
    const pages = await Promise.all(routes.map((url) => textOf(api, url)));
    expect(await textOf(api, '/api/v1/routes.json')).toBe(
      `{"total":4,"page":1,"limit":50,"items":[${pages.join()}]}`,
    );
    expect(await textOf(api, '/api/v1/routes.json?limit=3&page=2')).toBe(
      `{"total":4,"page":2,"limit":3,"items":[${pages[3]}]}`,
    );
    const trips = await textOf(api, '/api/v1/trips.json');
    expect(JSON.parse(trips)).toMatchObject({ total: 1, items: [{ trip: { resource_type: 'TRIP' } }] });
    expect(await textOf(api, '/api/v1/trip.json')).toBe(trips);
  });

  it('is empty for a type without records, and 404 for a name that no type can have', async () => {
    const { api, create } = await newDeveloper();
    expect((await api.get('/api/v1/gadgets.json')).body).toEqual({ total: 0, page: 1, limit: 50, items: [] });
    const { id } = await create('GADGET');
    await api.delete(`${RECORDS}/${id}`);
    expect((await api.get('/api/v1/gadgets.json')).body).toEqual({ total: 0, page: 1, limit: 50, items: [] });
    for (const name of ['users', 'webhook', '1', '%00', '*', '__proto__', 'x'.repeat(81)]) {
      const { status, body } = await api.get(`/api/v1/${name}.json`);
      expect([name, status, body.code]).toEqual([name, 404, 'not_found']);
    }
  });

  it('names a developer for admins alone', async () => {
    const { api, developerId, create } = await newDeveloper();
    const { api: other } = await newDeveloper();
    await create('ROUTE');
    const path = `/api/v1/routes.json?developerId=${developerId}`;
    const { status, body } = await app.admin.get(path);
    expect([status, body]).toEqual([200, (await api.get(path)).body]);
    expect((await other.get(path)).status).toBe(403);
    expect((await app.admin.get('/api/v1/routes.json')).status).toBe(403);
    expect((await app.admin.get('/api/v1/routes.json?developerId=items-unknown')).status).toBe(404);
  });
});

describe('collections', () => {
  it('are a page, and the own one has a name; its items are as on their pages', async () => {
    const { api, create, urls } = await newDeveloper();
    const record = await create('ROUTE', { name: 'Loop' });
    const [url] = await urls();
    await api.put(`${RECORDS}/${record.id}/pin`);
    const { body } = await api.get('/api/v1/collections.json?page=1&limit=1');
    const collections = [expect.objectContaining({ name: 'pinned' })];
    expect(body).toEqual({ total: 1, page: 1, limit: 1, collections });
    expect((await api.get('/api/v1/collections.json?page=2')).body).toMatchObject({
      total: 1,
      collections: [],
    });
    expect((await api.get('/api/v1/collections.json?limit=0')).status).toBe(400);
    const pinned = await textOf(api, '/api/v1/collections/pinned.json');
    expect(pinned).toBe(await textOf(api, body.collections[0].url));
    expect(pinned).toContain(`"items":[${await textOf(api, url)}]`);
    expect((await app.admin.get('/api/v1/collections/pinned.json')).status).toBe(403);
  });
});

it('every .json path is there without .json, too, with the same answer', async () => {
  const { api, create, urls } = await newDeveloper();
  await create('ROUTE');
  const [url] = await urls();
  const { body } = await api.get('/api/v1/collections.json');
  const paths = [
    ...['/api/v1/users/current', '/api/v1/collections', '/api/v1/collections/pinned', '/api/v1/routes'],
    ...[body.collections[0].url, url].map((path: string) => path.replace('.json', '')),
  ];
  for (const path of paths)
    expect([path, await textOf(api, path)]).toEqual([path, await textOf(api, `${path}.json`)]);
  const query = 'since=1970-01-01&limit=1';
  expect(await textOf(api, `/api/v1/sync?${query}`)).toBe(await textOf(api, `/api/v1/sync.json?${query}`));
  for (const path of ['/api/v1/developers', '/api/v1/oauth', '/api/v1/routes/x', '/api/v1/grants/1'])
    expect([path, (await api.get(path)).status]).toEqual([path, 404]);
});
