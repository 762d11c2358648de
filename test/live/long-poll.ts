import { describe, expect, it } from '@jest/globals';
import { type Answer, type Api, RECORDS } from '../support/api.js';
import { createClient, createClientKey } from '../support/api-clients.js';
import { expectError } from '../support/errors.js';
import { getTokens, setPassword } from '../support/oauth.js';
import { seededRandom } from '../support/random.js';
import { openConnection } from '../support/raw-http.js';
import { until } from '../support/until.js';
import { app } from './app.js';

const SYNC = '/api/v1/sync.json';
const KEYS = '/api/v1/api-keys';

let names = 0;
const newName = () => `long-poll-${++names}`;

const write = (api: Api, developerId: string, resourceType = 'ROUTE') =>
  api.create({ developerId, resourceType, resourceKey: newName(), data: {} });

/** A developer with one record, and the cursor after it. */
async function start(scopes?: string[]) {
  const developerId = newName();
  const dev = await app.developer(developerId, scopes);
  await write(app.admin, developerId);
  const { body } = await dev.get(`${SYNC}?since=1970-01-01T00:00:00Z`);
  const since = encodeURIComponent(body.meta.rwgps_datetime);
  return { dev, developerId, since, path: `${SYNC}?since=${since}` };
}

/** Sends a request, and waits until it is held. */
async function hold(
  send: () => Promise<Answer>,
): Promise<{ answer: Promise<Answer>; isOver: () => boolean }> {
  const before = app.live();
  let isOver = false;
  const answer = send();
  void answer.finally(() => (isOver = true));
  await until(() => app.live() > before || isOver);
  return { answer, isOver: () => isOver };
}

describe('wait', () => {
  it('holds an answer without items until a change, and then is the answer without wait', async () => {
    const { dev, developerId, path } = await start();
    const { answer, isOver } = await hold(() => dev.get(`${path}&wait=55`));
    expect(isOver()).toBe(false);
    await write(dev, developerId);
    const { status, body, headers } = await answer;
    expect(status).toBe(200);
    const plain = await dev.get(path);
    expect(body.items).toEqual(plain.body.items);
    expect(body.items).toHaveLength(1);
    const { next_sync_url: next, ...meta } = body.meta;
    const { next_sync_url: plainNext, ...plainMeta } = plain.body.meta;
    expect(meta).toEqual(plainMeta);
    expect(next).toBe(`${plainNext}&wait=55`);
    expect(headers.get('etag')).toBe(plain.headers.get('etag'));
    await until(() => app.live() === 0);
  });

  it('answers at once when there is something', async () => {
    const { dev } = await start();
    const { body } = await dev.get(`${SYNC}?since=1970-01-01T00:00:00Z&wait=55`);
    expect(body.items).toHaveLength(1);
  });

  it('ends with the empty answer', async () => {
    const { dev, path, since } = await start();
    const { status, body } = await dev.get(`${path}&wait=1`);
    expect(status).toBe(200);
    expect(body.items).toEqual([]);
    expect(body.meta.rwgps_datetime).toBe(decodeURIComponent(since));
  });

  it('holds a 304, and ends with it or with the change', async () => {
    const { dev, developerId, path } = await start();
    const etag = (await dev.get(path)).headers.get('etag')!;
    expect((await dev.get(`${path}&wait=1`, { 'If-None-Match': etag })).status).toBe(304);
    const { answer } = await hold(() => dev.get(`${path}&wait=55`, { 'If-None-Match': etag }));
    await write(dev, developerId);
    const { status, body } = await answer;
    expect([status, body.items.length]).toEqual([200, 1]);
  });

  it('goes on after changes of other assets, and then tells a cursor after them', async () => {
    const { dev, developerId, path } = await start();
    const { answer, isOver } = await hold(() => dev.get(`${path}&assets=trips&wait=2`));
    const { updatedAt } = await write(dev, developerId);
    expect(isOver()).toBe(false);
    const { body } = await answer;
    expect(body.items).toEqual([]);
    expect(Date.parse(body.meta.rwgps_datetime)).toBe(Date.parse(updatedAt));
    const next = await hold(() => dev.get(`${body.meta.next_sync_url.replace('wait=2', 'wait=55')}`));
    await write(dev, developerId);
    await write(dev, developerId, 'TRIP');
    expect((await next.answer).body.items).toMatchObject([{ item_type: 'trip' }]);
  });

  it('means the same as a preference', async () => {
    const { dev, developerId, path } = await start();
    const { answer } = await hold(() => dev.get(path, { Prefer: 'respond-async, wait=50' }));
    await write(dev, developerId);
    const { body, headers } = await answer;
    expect(body.items).toHaveLength(1);
    expect(body.meta.next_sync_url).not.toContain('wait');
    const empty = await dev.get(body.meta.next_sync_url, { Prefer: 'wait="1"' });
    expect(empty.headers.get('preference-applied')).toBe('wait=1');
    expect(empty.body.items).toEqual([]);
    expect(headers.get('vary')).toContain('Prefer');
    for (const Prefer of ['wait=0', 'wait=x', 'wait', 'nowait=5'])
      expect((await dev.get(path, { Prefer })).headers.get('preference-applied')).toBeNull();
  });

  it.each(['0', '56', '-1', '1.5', 'x', ''])('of %j is refused', async (wait) => {
    const { dev, path } = await start();
    expectError(await dev.get(`${path}&wait=${wait}`), 400, 'invalid_request');
  });

  it('does not hold a page of a compact sync, which no change can come to', async () => {
    const { dev, since } = await start();
    const page = `${SYNC}?since=${since}&compact=true&until=${since}&wait=55`;
    expect((await dev.get(page)).body.items).toEqual([]);
    expect(app.live()).toBe(0);
  });

  it('holds HEAD, too', async () => {
    const { dev, developerId, path } = await start();
    const { answer } = await hold(() => dev.request('HEAD', `${path}&wait=55`));
    await write(dev, developerId);
    expect((await answer).status).toBe(200);
  });
});

describe('a request that waits', () => {
  it('gets 401 when its key is revoked', async () => {
    const { developerId, path } = await start();
    const { body: key } = await app.admin.post(KEYS, { developerId, scopes: ['sync:read'] });
    const dev = app.admin.with(key.key);
    const { answer } = await hold(() => dev.get(`${path}&wait=55`));
    await app.admin.delete(`${KEYS}/${key.id}`);
    expectError(await answer, 401, 'invalid_token');
  });

  it('gets 401 when its key is rotated without an overlap', async () => {
    const { developerId, path } = await start();
    const { body: key } = await app.admin.post(KEYS, { developerId, scopes: ['sync:read'] });
    const { answer } = await hold(() => app.admin.with(key.key).get(`${path}&wait=55`));
    await app.admin.post(`${KEYS}/${key.id}/rotate`, { overlapSeconds: 0 });
    expectError(await answer, 401, 'invalid_token');
  });

  it('gets 401 when the client of its key loses the scope', async () => {
    const { developerId, path } = await start();
    const client = await createClient(app.admin);
    const dev = await createClientKey(app.admin, client.id, developerId);
    const { answer } = await hold(() => dev.get(`${path}&wait=55`));
    await app.admin.patch(`/api/v1/api-clients/${client.id}`, { scopes: ['sync:write'] });
    expectError(await answer, 401, 'invalid_token');
  });

  it('gets 401 when the grant of its token is withdrawn', async () => {
    const { dev, developerId, path } = await start();
    const client = await createClient(app.admin);
    await setPassword(app.admin, developerId);
    const { access_token } = await getTokens(app.url, client, developerId);
    const application = app.admin.with(access_token);
    const { answer } = await hold(() => application.get(`${path}&wait=55`));
    const { body } = await dev.get('/api/v1/grants');
    expect((await dev.delete(`/api/v1/grants/${body.data[0].id}`)).status).toBe(204);
    expectError(await answer, 401, 'invalid_token');
  });

  it('leaves nothing behind when its client goes away', async () => {
    const { dev, path } = await start();
    const request = `GET ${path}&wait=55 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${dev.key}\r\n\r\n`;
    for (const version of ['1.1', '1.0']) {
      const sockets = [];
      for (let n = 0; n < 4; n++)
        sockets.push(await openConnection(app.url, request.replace('1.1', version)));
      await until(() => app.live() === 4);
      for (const socket of sockets) socket.destroy();
      await until(() => app.live() === 0);
    }
  });

  it('is one of a tenth of LIVE_LIMIT of its credential; the next one gets 503 with Retry-After', async () => {
    const { dev, developerId, path } = await start();
    const other = await start();
    const held = [];
    for (let n = 0; n < 4; n++) held.push(await hold(() => dev.get(`${path}&wait=55`)));
    const refused = await dev.get(`${path}&wait=55`);
    expectError(refused, 503, 'service_unavailable');
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    // What does not wait is not refused, nor another credential.
    expect((await dev.get(path)).status).toBe(200);
    expect((await other.dev.get(`${other.path}&wait=1`)).status).toBe(200);
    await write(dev, developerId);
    expect(
      (await Promise.all(held.map(({ answer }) => answer))).map(({ body }) => body.items.length),
    ).toEqual([1, 1, 1, 1]);
  });

  it('misses no change, whenever it comes', async () => {
    const random = seededRandom();
    const { dev, developerId, path } = await start();
    let next = path;
    for (let n = 0; n < 150; n++) {
      const answer = dev.get(`${next}&wait=20`);
      await new Promise((resolve) => setTimeout(resolve, random() * 8));
      await write(dev, developerId);
      const { body } = await answer;
      expect(body.items).toHaveLength(1);
      next = body.meta.next_sync_url.replace(/&wait=.*/, '');
    }
  });

  it('is woken by a change of an item that it follows', async () => {
    const owner = await start();
    const { dev, developerId, path } = await start();
    const { id } = await write(owner.dev, owner.developerId);
    await owner.dev.put(`${RECORDS}/${id}/shares/${developerId}`);
    await dev.put(`${RECORDS}/${id}/pin`);
    const { body } = await dev.get(path);
    const { answer } = await hold(() => dev.get(`${body.meta.next_sync_url}&wait=55`));
    await owner.dev.patch(`${RECORDS}/${id}`, { data: { n: 1 } });
    expect((await answer).body.items).toMatchObject([{ action: 'updated' }]);
  });
});
