import { beforeAll, expect, it } from '@jest/globals';
import { useApp } from './support/app.js';
import { RECORDS } from './support/api.js';
import type { Api } from './support/api.js';

const app = useApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });

let dev: Api;
let id: string;
let etag: string;

beforeAll(async () => {
  dev = await app.developer('dev-1');
  const created = await dev.post(RECORDS, {
    developerId: 'dev-1',
    resourceType: 'ROUTE',
    resourceKey: 'one',
    data: {},
  });
  expect(created.headers.get('cache-control')).toBe('no-store');
  id = created.body.id;
  etag = (await dev.get(`${RECORDS}/${id}`)).headers.get('etag')!;
});

const cacheControlOf = async (path: string, headers = {}) => {
  const answer = await dev.get(path, headers);
  return [answer.status, answer.headers.get('cache-control')];
};

it('records, lists, item pages and collections are no-store, also when they are not modified', async () => {
  const feed = await dev.get('/api/v1/sync.json?since=1970-01-01T00:00:00Z');
  const { item_url } = feed.body.items[0];
  const paths = [RECORDS, `${RECORDS}/${id}`, new URL(item_url).pathname, `${RECORDS}/${id}/shares`];
  for (const path of paths) expect([path, ...(await cacheControlOf(path))]).toEqual([path, 200, 'no-store']);
  expect(await cacheControlOf(`${RECORDS}/${id}`, { 'If-None-Match': etag })).toEqual([304, 'no-store']);
});

it('answers with secrets are no-store', async () => {
  const client = await app.admin.post('/api/v1/api-clients', {
    name: 'App',
    developerId: 'dev-1',
    scopes: ['sync:read'],
  });
  const answers = [
    client,
    await app.admin.post('/api/v1/api-keys', { developerId: 'dev-1', scopes: ['sync:read'] }),
    await app.admin.post('/api/v1/webhooks', { clientId: client.body.id, url: 'http://127.0.0.1:9/' }),
    await app.admin.post('/api/v1/developers/dev-1/invites', {}),
  ];
  for (const { status, headers } of answers)
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store']);
});

it('the rule is one of the route, not of how its URL is written', async () => {
  expect(await cacheControlOf(`/%61pi/v1/sync/records/${id}`)).toEqual([200, 'no-store']);
});

it('errors are no-store', async () => {
  expect(await cacheControlOf('/api/v1/none/of/these')).toEqual([404, 'no-store']);
});

it('the feed is revalidated; documents without secrets keep their own rule', async () => {
  expect(await cacheControlOf('/api/v1/sync.json?since=1970-01-01T00:00:00Z')).toEqual([
    200,
    'private, no-cache',
  ]);
  for (const path of ['/docs-json', '/%64ocs-json', '/health/live'])
    expect((await cacheControlOf(path))[1]).not.toBe('no-store');
});
