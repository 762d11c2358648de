import { describe, expect, it } from '@jest/globals';
import { Api } from '../support/api.js';
import { EventSource } from '../support/event-source.js';
import { expectError } from '../support/errors.js';
import { until } from '../support/until.js';
import { app } from './app.js';

const SYNC = '/api/v1/sync.json';
const FIRST = `${SYNC}?since=1970-01-01T00:00:00Z`;
const EVENTS = { Accept: 'text/event-stream' };

let names = 0;
const newName = () => `stream-${++names}`;

async function start(records: number) {
  const developerId = newName();
  const dev = await app.developer(developerId);
  const write = (resourceType = 'ROUTE') =>
    dev.create({ developerId, resourceType, resourceKey: newName(), data: {} });
  const ids = [];
  for (let n = 0; n < records; n++) ids.push((await write()).id);
  return { dev, developerId, write, ids };
}

/** `item_id` and action of each item. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- pages
const changes = (pages: any[]) =>
  pages.flatMap(({ items }) =>
    items.map((item: { item_id: number; action: string }) => [item.item_id, item.action]),
  );

describe('an event stream', () => {
  it('is the pages of ordinary requests, with the cursor as the id, and goes on with each change', async () => {
    const { dev, write } = await start(3);
    const stream = new EventSource(dev, `${FIRST}&limit=2`);
    const { status, headers } = await stream.response;
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(headers.get('x-accel-buffering')).toBe('no');
    await until(() => stream.pages.length === 2);
    await write();
    await until(() => stream.pages.length === 3);
    const { body: first } = await dev.get(`${FIRST}&limit=2`);
    expect(stream.pages[0]).toEqual(first);
    expect(stream.pages.map(({ items }) => items.length)).toEqual([2, 1, 1]);
    expect(stream.pages.map(({ meta }) => meta.has_more)).toEqual([true, false, false]);
    for (const { id, data } of stream.events) expect(id).toBe(data.meta.rwgps_datetime);
    const all = await dev.get(FIRST);
    expect(changes(stream.pages)).toEqual(changes([all.body]));
    await stream.close();
    await until(() => app.live() === 0);
  });

  it('begins with an event for an empty library, so that the client knows where it is', async () => {
    const { dev } = await start(0);
    const stream = new EventSource(dev, FIRST);
    await until(() => stream.pages.length === 1);
    expect(stream.pages[0].items).toEqual([]);
    await stream.close();
  });

  it('goes on after Last-Event-ID, which wins over since', async () => {
    const { dev, write } = await start(2);
    const stream = new EventSource(dev, FIRST);
    await until(() => stream.pages.length === 1);
    await stream.close();
    await write();
    const resumed = new EventSource(dev, FIRST, { 'Last-Event-ID': stream.events[0].id! });
    await until(() => resumed.pages.length === 1);
    expect(changes([...stream.pages, ...resumed.pages])).toEqual(changes([(await dev.get(FIRST)).body]));
    await resumed.close();
  });

  it('goes on in the middle of a compact first sync, as of its first page', async () => {
    const { dev, ids, write } = await start(5);
    const path = `${FIRST}&compact=true&limit=2&digest=true`;
    const stream = new EventSource(dev, path);
    await until(() => stream.pages.length > 0);
    await stream.close();
    const [{ id, data }] = stream.events;
    expect(id).toMatch(/^[^/]+\/[^/]+\/initial$/);
    await dev.patch(`/api/v1/sync/records/${ids[0]}`, { data: { n: 1 } });
    await dev.delete(`/api/v1/sync/records/${ids[4]}`);
    await write();
    const resumed = new EventSource(dev, path, { 'Last-Event-ID': id! });
    await until(() => resumed.pages.at(-1)?.meta.has_more === false && changes(resumed.pages).length >= 6);
    const actions = changes([data, ...resumed.pages]).map(([, action]) => action);
    expect(actions).toEqual([...Array(5).fill('created'), 'updated', 'deleted', 'created']);
    await resumed.close();
  });

  it('of an invalid Last-Event-ID, since or credential is an ordinary error', async () => {
    const { dev } = await start(1);
    for (const id of ['x', '/', '2024-01-01T00:00:00Z/x', 'a/b/c/d'])
      expect((await dev.get(FIRST, { ...EVENTS, 'Last-Event-ID': id })).status).toBe(400);
    expectError(await dev.get(`${SYNC}?since=x`, EVENTS), 400, 'invalid_since');
    expectError(await dev.get(SYNC, EVENTS), 422, 'missing_parameter');
    expectError(await new Api(app.url, 'x').get(FIRST, EVENTS), 401, 'invalid_token');
    expect(app.live()).toBe(0);
  });

  it('ends with an error event when its key is revoked', async () => {
    const { developerId } = await start(1);
    const { body: key } = await app.admin.post('/api/v1/api-keys', { developerId, scopes: ['sync:read'] });
    const stream = new EventSource(app.admin.with(key.key), FIRST);
    await until(() => stream.pages.length === 1);
    await app.admin.delete(`/api/v1/api-keys/${key.id}`);
    await stream.ended;
    expect(stream.events.at(-1)).toMatchObject({ event: 'error', data: { code: 'invalid_token' } });
  });

  it('answers HEAD with its headers alone', async () => {
    const { dev } = await start(1);
    const { status, headers, body } = await dev.request('HEAD', FIRST, { headers: EVENTS });
    expect([status, body]).toEqual([200, '']);
    expect(headers.get('content-type')).toContain('text/event-stream');
    await until(() => app.live() === 0);
  });
});
