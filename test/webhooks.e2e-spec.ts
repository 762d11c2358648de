import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { v4 as uuidv4 } from 'uuid';
import { Grant } from '../src/tokens/grant.entity.js';
import { type Api, RECORDS } from './support/api.js';
import { createClient, createClientKey } from './support/api-clients.js';
import { useApp } from './support/app.js';
import { expectError } from './support/errors.js';
import { acknowledge, FAILURES, joined, type Received, Receiver } from './support/receiver.js';
import { ReadmeClient } from './support/readme-client.js';
import { expectExactCopy, SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';
import {
  count,
  expectDeliveryDespite,
  hurry as hurryAll,
  QUICK_FAILURES,
  untilSoon as untilSoonOf,
} from './support/webhook-failures.js';
import { type Application, createApplication, createEndpoint, WEBHOOKS } from './support/webhooks.js';

const app = useApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });
const receivers: Receiver[] = [];

afterEach(async () => {
  for (const receiver of receivers) expect(receiver.refused).toEqual([]);
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
  await app.dataSource.query('DELETE FROM webhook_endpoints');
});

const query = (sql: string, values: unknown[] = []) => app.dataSource.query(sql, values);

async function start(options: object = {}): Promise<Application> {
  const receiver = await Receiver.start();
  receivers.push(receiver);
  return createApplication(app.admin, receiver, options);
}

let developers = 0;
const someone = () => `dev-${++developers}`;

async function idOf(developerId: string): Promise<number> {
  const [{ id }] = await query('SELECT user_id AS id FROM developers WHERE developer_id = $1', [developerId]);
  return id;
}

const route = (developerId: string, resourceKey: string, resourceType = 'ROUTE') => ({
  developerId,
  resourceType,
  resourceKey,
  data: { n: 1 },
});

const hurry = () => hurryAll(app.dataSource);
const untilSoon = (condition: () => Promise<boolean> | boolean) => untilSoonOf(app.dataSource, condition);

describe('a change', () => {
  it('is told to the applications that its developer lets read, signed, with what the feed says of it', async () => {
    const [told, other] = [await start(), await start()];
    const developerId = someone();
    const api = await told.connect(developerId);
    await other.connect(someone());
    const [{ clock }] = await query('SELECT clock FROM feeds WHERE developer_id = $1', [developerId]);
    const { id } = await api.create(route(developerId, 'a'));
    await api.patch(`${RECORDS}/${id}`, { data: { n: 2 } });
    const item = (await api.sync('since=1970-01-01')).body.items[0];
    await api.put(`${RECORDS}/${id}/pin`);
    await api.delete(`${RECORDS}/${id}`);
    await until(() => count(told.receiver) === 5);

    const { items } = (await api.sync('since=1970-01-01')).body;
    const userId = await idOf(developerId);
    expect(joined(told.receiver.messages, userId)).toEqual(
      items.map((change: object) => ({ user_id: userId, ...change })),
    );
    const [first] = told.receiver.messages;
    expect(Object.keys(first.notifications[0])).toEqual(['user_id', ...Object.keys(item)]);
    expect(first.range!.since).toBe(clock.toISOString().replace('Z', '+00:00'));
    expect(told.receiver.messages.at(-1)!.range!.until).toBe(items.at(-1).datetime.replace('Z', '+00:00'));
    expect(first.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(first.text)),
      'webhook-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(other.receiver.received).toEqual([]);
  });

  it('is there for a sync inside the handler, which may be made before the answer', async () => {
    const { receiver, connect } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    const client = new SyncClient(api);
    const missing: string[] = [];
    receiver.behave = async (request, response) => {
      await client.catchUp();
      const seen = new Set(client.received.map(({ datetime }) => datetime));
      missing.push(
        ...request.notifications.map(({ datetime }) => datetime).filter((time) => !seen.has(time)),
      );
      acknowledge(request, response);
    };
    for (let n = 0; n < 20; n++) await api.create(route(developerId, `k${n}`));
    await until(() => count(receiver) === 20);
    expect(missing).toEqual([]);
    await expectExactCopy(client, api, developerId);
  });

  it('reaches a receiver that fails at once, in whatever way, under one id in each attempt, and syncing on reception alone ends exact', () =>
    expectDeliveryDespite(app, QUICK_FAILURES));

  it.each([{}, { overlapSeconds: 0 }])(
    'is told when its key is rotated (%j) before it was',
    async (input) => {
      const { receiver, clientId, connect } = await start();
      const developerId = someone();
      await connect(developerId);
      const own = await app.developer(developerId);
      const { data: keys } = (await own.get('/api/v1/api-keys')).body;
      const key = keys.find((one: { clientId: string | null }) => one.clientId === clientId);
      receiver.behave = FAILURES['answers 500'];
      await own.create(route(developerId, 'a'));
      await until(() => receiver.received.length > 0);
      await own.create(route(developerId, 'b'));
      const { status, body: rotated } = await own.post(`/api/v1/api-keys/${key.id}/rotate`, input);
      expect(status).toBe(201);
      receiver.behave = acknowledge;
      await own.create(route(developerId, 'c'));
      await untilSoon(() => count(receiver) === 3);
      expect(joined(receiver.messages, await idOf(developerId))).toHaveLength(3);

      // The one before lives on in its overlap, and with it the right.
      expect((await own.delete(`/api/v1/api-keys/${rotated.id}`)).status).toBe(204);
      if ('overlapSeconds' in input) return;
      await own.create(route(developerId, 'd'));
      await until(() => count(receiver) === 4);
    },
  );

  it('does not wait for an endpoint that does not answer', async () => {
    const [hanging, quick] = [await start(), await start()];
    const developerId = someone();
    const release: (() => void)[] = [];
    hanging.receiver.behave = (request, response) =>
      void release.push(() => void acknowledge(request, response));
    await hanging.connect(developerId);
    const api = await quick.connect(developerId);
    // Many developers, so that there is more to tell than may be on its way.
    const others = await Promise.all(
      Array.from({ length: 20 }, () => someone()).map(async (id) => ({ id, api: await hanging.connect(id) })),
    );
    await Promise.all(others.map(({ id, api: other }) => other.create(route(id, 'k'))));
    await until(() => release.length > 0);
    await api.create(route(developerId, 'a'));
    await until(() => count(quick.receiver) === 1);
    expect(release.length).toBeLessThan(20);
    hanging.receiver.behave = acknowledge;
    release.forEach((end) => end());
    await untilSoon(() => count(hanging.receiver) === 21);
  });

  it('of another asset is passed over, and the ranges still join', async () => {
    const { receiver, connect, webhook } = await start({ assets: ['Trip'] });
    const developerId = someone();
    const api = await connect(developerId);
    await api.create(route(developerId, 'a'));
    await api.create(route(developerId, 'b', 'TRIP'));
    await until(() => count(receiver) === 1);
    await api.create(route(developerId, 'c'));
    await api.create(route(developerId, 'd', 'TRIP'));
    await until(() => count(receiver) === 2);
    expect(joined(receiver.messages, await idOf(developerId)).map(({ item_type }) => item_type)).toEqual([
      'trip',
      'trip',
    ]);
    // What was passed over since the last range is told when the assets change.
    await api.create(route(developerId, 'e'));
    await until(async () => {
      const [{ isCaughtUp }] = await query(
        `SELECT bool_and(scanned = clock) AS "isCaughtUp" FROM webhook_positions p
         JOIN feeds f ON f.user_id = p.user_id WHERE endpoint_id = $1`,
        [webhook.slice(WEBHOOKS.length + 1)],
      );
      return isCaughtUp;
    });
    expect((await app.admin.patch(webhook, { assets: null })).body.assets).toBeNull();
    await until(() => count(receiver) === 3);
    expect(joined(receiver.messages, await idOf(developerId)).at(-1)).toMatchObject({ item_type: 'route' });
  });
});

describe('an endpoint that fails', () => {
  it('is disabled at once when it says 410, and goes on exactly there when it is active again', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    await api.create(route(developerId, 'a'));
    await until(() => count(receiver) === 1);
    receiver.behave = (_request, response) => void response.writeHead(410).end();
    await api.create(route(developerId, 'b'));
    await until(async () => !(await app.admin.get(webhook)).body.active);
    expect((await app.admin.get(webhook)).body).toMatchObject({
      disabledReason: 'gone',
      disabledAt: expect.any(String),
    });
    const attempts = receiver.received.length;
    for (let n = 0; n < 150; n++) await api.create(route(developerId, `c${n}`));
    await hurry();
    receiver.behave = acknowledge;
    expect(receiver.received).toHaveLength(attempts);

    expect((await app.admin.patch(webhook, { active: true })).body).toMatchObject({
      active: true,
      disabledAt: null,
      disabledReason: null,
    });
    await until(() => count(receiver) === 152);
    expect(joined(receiver.messages, await idOf(developerId))).toHaveLength(152);
    // The rest of them has piled up: a hundred in a message.
    expect(receiver.messages.slice(2).map(({ notifications }) => notifications.length)).toEqual([100, 50]);
  });

  it.each<[number, string, () => string, number]>([
    [429, 'seconds', () => '3600', 3_600_000],
    [503, 'a date', () => new Date(Date.now() + 7_200_000).toUTCString(), 7_100_000],
  ])(
    'is left alone for as long as it asks with %i and Retry-After in the form of %s',
    async (status, _form, retryAfter, delay) => {
      const { receiver, connect, webhook } = await start();
      const developerId = someone();
      const api = await connect(developerId);
      receiver.behave = (_request, response) =>
        void response.writeHead(status, { 'retry-after': retryAfter() }).end();
      const before = Date.now();
      await api.create(route(developerId, 'a'));
      await until(async () => (await app.admin.get(webhook)).body.retryAt !== null);
      const { retryAt } = (await app.admin.get(webhook)).body;
      expect(Date.parse(retryAt) - before).toBeGreaterThanOrEqual(delay);
      receiver.behave = acknowledge;
      await untilSoon(() => receiver.received.length === 2);
    },
  );

  it('is disabled after 5 days of it, visibly, and loses nothing', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    receiver.behave = FAILURES['answers 500'];
    await api.create(route(developerId, 'a'));
    await until(async () => (await app.admin.get(webhook)).body.failingSince !== null);
    const move = (days: string) =>
      query(`UPDATE webhook_endpoints SET failing_since = clock_timestamp() - $1::interval`, [days]);
    await move('4 days 23 hours');
    await untilSoon(() => receiver.received.length >= 2);
    expect((await app.admin.get(webhook)).body.active).toBe(true);
    await move('5 days 1 second');
    await untilSoon(async () => !(await app.admin.get(webhook)).body.active);
    expect((await app.admin.get(webhook)).body).toMatchObject({ disabledReason: 'failing' });
    await api.create(route(developerId, 'b'));
    receiver.behave = acknowledge;
    await app.admin.patch(webhook, { active: true });
    await until(() => count(receiver) === 2);
    expect(joined(receiver.messages, await idOf(developerId))).toHaveLength(2);
    expect(receiver.received.at(-2)!.id).toBe(receiver.received[0].id);
  });
});

describe('what is known of an endpoint', () => {
  /** Its next request is answered when the test says so. */
  function hold(receiver: Receiver): { release: (status: number) => void } {
    const held: { release: (status: number) => void } = { release: () => {} };
    receiver.behave = (_request, response) =>
      new Promise((resolve) => {
        held.release = (status) => resolve(void response.writeHead(status).end());
      });
    return held;
  }

  it('does not count time in which nothing was sent as time of failing', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    receiver.behave = FAILURES['answers 500'];
    await api.create(route(developerId, 'a'));
    await until(async () => (await app.admin.get(webhook)).body.failingSince !== null);
    await query(`
      UPDATE webhook_endpoints SET failing_since = clock_timestamp() - interval '6 days',
        failed_at = clock_timestamp() - interval '2 days 1 second'`);
    const before = Date.now();
    const attempts = receiver.received.length;
    await untilSoon(() => receiver.received.length > attempts);
    await until(async () => Date.parse((await app.admin.get(webhook)).body.failingSince) >= before - 1_000);
    expect((await app.admin.get(webhook)).body).toMatchObject({ active: true, disabledAt: null });
  });

  it('is of the URL that it has: a 410 of the old one ends nothing', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    const held = hold(receiver);
    await api.create(route(developerId, 'a'));
    await until(() => receiver.received.length === 1);
    const next = await Receiver.start();
    receivers.push(next);
    next.secrets = receiver.secrets;
    expect((await app.admin.patch(webhook, { url: next.url })).status).toBe(200);
    held.release(410);
    await untilSoon(() => count(next) === 1);
    expect(next.messages[0].id).toBe(receiver.received[0].id);
    expect((await app.admin.get(webhook)).body).toMatchObject({ active: true, failingSince: null });
  });

  it('keeps what it asked for with Retry-After while an older request ends well', async () => {
    const { receiver, connect, webhook } = await start();
    const [first, second] = [someone(), someone()];
    const [one, other] = [await connect(first), await connect(second)];
    const held = hold(receiver);
    await one.create(route(first, 'a'));
    await until(() => receiver.received.length === 1);
    receiver.behave = (_request, response) => void response.writeHead(429, { 'retry-after': '3600' }).end();
    await other.create(route(second, 'a'));
    await until(async () => (await app.admin.get(webhook)).body.retryAt !== null);
    held.release(204);
    await until(async () => (await app.admin.get(`${webhook}/deliveries?status=delivered`)).body.total === 1);
    expect((await app.admin.get(webhook)).body.retryAt).not.toBeNull();
    receiver.behave = acknowledge;
    await untilSoon(async () => (await app.admin.get(webhook)).body.failingSince === null);
    expect((await app.admin.get(webhook)).body.retryAt).toBeNull();
  });
});

describe('the right to be told', () => {
  it('ends with the key, and begins anew with the next one', async () => {
    const { receiver, clientId } = await start();
    const developerId = someone();
    const writer = await app.developer(developerId);
    const key = async () =>
      (await app.admin.post('/api/v1/api-keys', { developerId, clientId, scopes: ['sync:read'] })).body.id;
    const first = await key();
    await writer.create(route(developerId, 'a'));
    await until(() => count(receiver) === 1);
    expect((await app.admin.delete(`/api/v1/api-keys/${first}`)).status).toBe(204);
    await writer.create(route(developerId, 'b'));
    await key();
    await writer.create(route(developerId, 'c'));
    await until(() => count(receiver) === 2);
    const { items } = (await writer.sync('since=1970-01-01')).body;
    expect(
      receiver.messages.flatMap(({ notifications }) => notifications.map(({ item_id }) => item_id)),
    ).toEqual([items[0], items[2]].map(({ item_id }) => item_id));
  });

  it('ends for what was pending, too', async () => {
    const { receiver, clientId, webhook } = await start();
    const developerId = someone();
    const writer = await app.developer(developerId);
    const { id } = (
      await app.admin.post('/api/v1/api-keys', { developerId, clientId, scopes: ['sync:read'] })
    ).body;
    receiver.behave = FAILURES['answers 500'];
    await writer.create(route(developerId, 'a'));
    await until(() => receiver.received.length === 1);
    await app.admin.delete(`/api/v1/api-keys/${id}`);
    await until(async () => (await app.admin.get(webhook)).body.failingSince !== null);
    const attempts = receiver.received.length;
    await untilSoon(
      async () => (await app.admin.get(`${webhook}/deliveries`)).body.data[0].status === 'withdrawn',
    );
    expect(receiver.received).toHaveLength(attempts);
  });

  it('needs sync:read', async () => {
    const { receiver, connect } = await start();
    const developerId = someone();
    const api = await connect(developerId, ['sync:write']);
    await api.create(route(developerId, 'a'));
    await connect(developerId, ['sync:read']);
    await api.create(route(developerId, 'b'));
    await until(() => count(receiver) === 1);
    expect(joined(receiver.messages, await idOf(developerId))).toHaveLength(1);
  });

  it('is there for an endpoint that comes after the key', async () => {
    const receiver = await Receiver.start();
    receivers.push(receiver);
    const { id: clientId } = await createClient(app.admin, { developerId: 'app-owner' });
    const developerId = someone();
    const api = await createClientKey(app.admin, clientId, developerId);
    await api.create(route(developerId, 'a'));
    await createEndpoint(app.admin, clientId, receiver);
    await api.create(route(developerId, 'b'));
    await until(() => count(receiver) === 1);
    const { items } = (await api.sync('since=1970-01-01')).body;
    expect(receiver.messages[0].notifications[0]).toMatchObject(items[1]);
    expect(receiver.messages[0].range!.since).toBe(items[0].datetime.replace('Z', '+00:00'));
  });
});

describe('a grant', () => {
  it('lets an application be told from the moment that it lets read', async () => {
    const { receiver, clientId } = await start();
    const developerId = someone();
    const writer = await app.developer(developerId);
    const grant = app.dataSource.manager.create(Grant, {
      id: uuidv4(),
      developer: { userId: await idOf(developerId), developerId },
      client: { id: clientId },
      scopes: ['sync:write'],
      payload: {},
      createdAt: new Date(),
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    await app.dataSource.manager.save(Grant, grant);
    await writer.create(route(developerId, 'a'));
    await app.dataSource.manager.save(Grant, { ...grant, scopes: ['sync:read', 'sync:write'] });
    await writer.create(route(developerId, 'b'));
    await until(() => count(receiver) === 1);
    await app.dataSource.manager.remove(Grant, grant);
    await writer.create(route(developerId, 'c'));
    await until(async () => {
      const [{ left }] = await query('SELECT count(*)::int AS left FROM webhook_positions');
      return left === 0;
    });
    const { items } = (await writer.sync('since=1970-01-01')).body;
    expect(joined(receiver.messages, await idOf(developerId))).toMatchObject([items[1]]);
  });
});

describe('a delivery that took longer than its lease', () => {
  it('is made again by somebody else, and changes nothing when it ends at last', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    let end = () => {};
    receiver.behave = (request, response) => void (end = () => void acknowledge(request, response));
    await api.create(route(developerId, 'a'));
    await until(() => receiver.received.length === 1);
    const endOfTheFirst = end;
    receiver.behave = acknowledge;
    await query('UPDATE webhook_positions SET due_at = clock_timestamp() WHERE lease IS NOT NULL');
    await until(() => receiver.received.length === 2);
    expect(receiver.received[1]).toMatchObject({
      id: receiver.received[0].id,
      text: receiver.received[0].text,
    });
    await api.create(route(developerId, 'b'));
    await until(() => count(receiver) === 2);
    endOfTheFirst();
    await until(async () => {
      const path = `${webhook}/deliveries/${receiver.received[0].id}`;
      return (await app.admin.get(path)).body.attempts.length === 2;
    });
    await api.create(route(developerId, 'c'));
    await until(() => count(receiver) === 3);
    expect(joined(receiver.messages, await idOf(developerId))).toHaveLength(3);
    expect(receiver.received).toHaveLength(4);
  });
});

describe('the secret', () => {
  it('can be rotated under traffic: each message verifies with the old one and with the new one, then only with the new', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    const old = receiver.secrets[0];
    let isOver = false;
    const writing = (async () => {
      for (let n = 0; !isOver; n++) await api.create(route(developerId, `k${n}`));
    })();
    const next = async (from: number) => {
      await until(() => receiver.received.length > from + 1);
      return receiver.received.slice(from + 1);
    };
    await next(0);
    const { status, body } = await app.admin.post(`${webhook}/secret`, { overlapSeconds: 3600 });
    expect(status).toBe(201);
    expect(body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    // Still the old one.
    const during = await next(receiver.received.length);
    expect(during[0].headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
    receiver.secrets = [body.secret];
    await next(receiver.received.length);
    expect(receiver.refused).toEqual([]);
    receiver.secrets = [old, body.secret];
    const second = (await app.admin.post(`${webhook}/secret`, { overlapSeconds: 0 })).body.secret;
    receiver.secrets.push(second);
    const alone = (await next(receiver.received.length)).at(-1)!;
    expect(alone.headers['webhook-signature']).toMatch(/^v1,\S+$/);
    isOver = true;
    await writing;
    const { total } = (await api.get(`${RECORDS}?developerId=${developerId}&limit=1`)).body;
    await untilSoon(() => count(receiver) === total);
    expect(joined(receiver.messages, await idOf(developerId))).toHaveLength(total);
  });

  it('is shown only when it is made', async () => {
    const { webhook, receiver } = await start();
    const answers = [
      await app.admin.get(webhook),
      await app.admin.get(WEBHOOKS),
      await app.admin.patch(webhook, {}),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(JSON.stringify(body)).not.toContain(receiver.secrets[0]);
      expect(JSON.stringify(body)).not.toContain('whsec_');
    }
  });
});

describe('the log', () => {
  it('has every attempt, with the first 1,024 bytes of the answer, also where they are no text', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    receiver.behave = (_request, response) => void response.writeHead(500).end(`\0${'x'.repeat(5_000)}`);
    await api.create(route(developerId, 'a'));
    await until(async () => (await app.admin.get(webhook)).body.failingSince !== null);
    receiver.behave = (_request, response) => void response.writeHead(200).end('thanks');
    await untilSoon(
      async () => (await app.admin.get(`${webhook}/deliveries`)).body.data[0].status === 'delivered',
    );

    const { total, data } = (await app.admin.get(`${webhook}/deliveries?limit=1`)).body;
    const [message] = receiver.messages;
    expect(total).toBe(1);
    expect(data[0]).toMatchObject({
      id: message.id,
      kind: 'change',
      notifications: 1,
      userId: await idOf(developerId),
    });
    expect(Date.parse(data[0].since)).toBe(Date.parse(message.range!.since));
    expect(Date.parse(data[0].until)).toBe(Date.parse(message.range!.until));
    const { attempts } = (await app.admin.get(`${webhook}/deliveries/${message.id}`)).body;
    expect(attempts).toEqual([
      {
        startedAt: expect.any(String),
        durationMs: expect.any(Number),
        status: 500,
        error: null,
        answer: `\ufffd${'x'.repeat(1_023)}`,
      },
      {
        startedAt: expect.any(String),
        durationMs: expect.any(Number),
        status: 200,
        error: null,
        answer: 'thanks',
      },
    ]);
  });

  it('says why there was no answer', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    receiver.behave = FAILURES['closes the connection'];
    await api.create(route(developerId, 'a'));
    await until(async () => (await app.admin.get(webhook)).body.failingSince !== null);
    const [{ id }] = (await app.admin.get(`${webhook}/deliveries`)).body.data;
    const { attempts } = (await app.admin.get(`${webhook}/deliveries/${id}`)).body;
    expect(attempts[0]).toMatchObject({ status: null, error: 'ECONNRESET', answer: null });
  });

  it('is paged, newest first, and can be filtered', async () => {
    const { receiver, connect, webhook } = await start();
    const [one, other] = [someone(), someone()];
    const apis = [await connect(one), await connect(other)];
    await apis[0].create(route(one, 'a'));
    await until(() => count(receiver) === 1);
    await apis[1].create(route(other, 'a'));
    await until(() => count(receiver) === 2);
    await app.admin.post(`${webhook}/test`, {});
    await until(async () => (await app.admin.get(`${webhook}/deliveries?status=delivered`)).body.total === 3);
    const list = async (search: string) =>
      (await app.admin.get(`${webhook}/deliveries?${search}`)).body.data.map(({ id }: Received) => id);
    const [first, second, test] = receiver.received.map(({ id }) => id);
    expect(await list('')).toEqual([test, second, first]);
    expect(await list('limit=2&page=2')).toEqual([first]);
    expect(await list(`developerId=${other}`)).toEqual([second]);
    expect(await list('developerId=nobody')).toEqual([]);
    expect(await list('kind=test')).toEqual([test]);
    expect(await list('status=pending')).toEqual([]);
  });
});

describe('a test', () => {
  it('sends a signed message without notifications, and says what came of it', async () => {
    const { receiver, webhook } = await start();
    receiver.behave = (_request, response) => void response.writeHead(200).end('pong');
    const good = await app.admin.post(`${webhook}/test`, {});
    expect(good.status).toBe(200);
    expect(good.body).toMatchObject({
      kind: 'test',
      status: 'delivered',
      attempts: [{ status: 200, answer: 'pong', error: null }],
    });
    expect(receiver.received).toMatchObject([{ id: good.body.id, notifications: [], range: null }]);
    receiver.behave = FAILURES['answers 500'];
    const bad = await app.admin.post(`${webhook}/test`, {});
    expect(bad.body).toMatchObject({ status: 'failed', attempts: [{ status: 500, answer: 'no' }] });
    expectError(
      await app.admin.post(`${webhook}/deliveries/${bad.body.id}/replay`, {}),
      409,
      'conflict',
      'test',
    );
  });
});

describe('a replay', () => {
  it('of a delivery sends the same again under its id, and the changes go on as if it were not there', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    await api.create(route(developerId, 'a'));
    await until(async () => (await app.admin.get(`${webhook}/deliveries?status=delivered`)).body.total === 1);
    const [first] = receiver.received;
    await api.create(route(developerId, 'b'));
    await until(() => count(receiver) === 2);
    expect((await app.admin.post(`${webhook}/deliveries/${first.id}/replay`, {})).status).toBe(202);
    await until(() => receiver.received.length === 3);
    expect(receiver.received[2]).toMatchObject({ id: first.id, text: first.text });
    await api.create(route(developerId, 'c'));
    await until(() => count(receiver) === 3);
    expect(joined(receiver.messages, await idOf(developerId))).toHaveLength(3);
    const { attempts } = (await app.admin.get(`${webhook}/deliveries/${first.id}`)).body;
    expect(attempts).toHaveLength(2);
  });

  it('of a range sends it from the feed, a hundred changes at a time, in messages of its own', async () => {
    const { receiver, connect, webhook } = await start();
    const developerId = someone();
    const api = await connect(developerId);
    for (let n = 0; n < 130; n++) await api.create(route(developerId, `k${n}`));
    await until(() => count(receiver) === 130);
    const { items } = (await api.sync('since=1970-01-01')).body;
    const told = receiver.messages.length;
    const [since, end] = [items[9].datetime, items[119].datetime];
    expect((await app.admin.post(`${webhook}/replay`, { developerId, since, until: end })).status).toBe(202);
    await until(() => count(receiver) === 240);
    const again = receiver.messages.slice(told);
    expect(again.map(({ notifications }) => notifications.length)).toEqual([100, 10]);
    expect(joined(again, await idOf(developerId))).toMatchObject(items.slice(10, 120));
    expect(again[0].range!.since).toBe(since.replace('Z', '+00:00'));
    expect(again[1].range!.until).toBe(end.replace('Z', '+00:00'));
    await until(async () => {
      const [{ left }] = await query(
        'SELECT count(*)::int AS left FROM webhook_positions WHERE ends_at IS NOT NULL',
      );
      return left === 0;
    });
  });

  it('is refused for a developer who does not let the application read, and for a range that is none', async () => {
    const { connect, webhook } = await start();
    const [developerId, stranger] = [someone(), someone()];
    await connect(developerId);
    await app.developer(stranger);
    const replay = (body: object) => app.admin.post(`${webhook}/replay`, body);
    const since = '2024-01-01T00:00:00Z';
    expectError(await replay({ developerId: stranger, since }), 404, 'not_found', stranger);
    expectError(await replay({ developerId: 'nobody', since }), 404, 'not_found', 'nobody');
    expectError(await replay({ developerId, since, until: since }), 400, 'invalid_request', 'until');
    expectError(await replay({ developerId, since: '2024-02-30' }), 400, 'invalid_request', 'since');
    expectError(
      await replay({ developerId, since: '0000-01-01T00:00:00+01:00' }),
      400,
      'invalid_request',
      'since',
    );
  });
});

describe('managing webhooks', () => {
  let owner: Api;
  let clientId: string;
  beforeAll(async () => {
    owner = await app.developer('app-owner');
    ({ id: clientId } = await createClient(app.admin, { developerId: 'app-owner' }));
  });

  const endpoint = { url: 'http://127.0.0.1:9/hook' };

  it('is for the owner of the application', async () => {
    const { status, body } = await owner.post(WEBHOOKS, { clientId, ...endpoint });
    expect(status).toBe(201);
    expect(body).toMatchObject({ clientId, ...endpoint, assets: null, active: true, disabledAt: null });
    const path = `${WEBHOOKS}/${body.id}`;
    expect((await owner.get(path)).status).toBe(200);
    expect((await owner.patch(path, { active: false, assets: ['routes'] })).body).toMatchObject({
      active: false,
      assets: ['routes'],
      disabledAt: null,
    });
    expect((await owner.get(`${WEBHOOKS}?clientId=${clientId}`)).body).toMatchObject({ total: 1 });
    expect((await owner.get(`${path}/deliveries`)).body).toMatchObject({ total: 0, data: [] });
    expect((await owner.delete(path)).status).toBe(204);
    expectError(await owner.get(path), 404, 'not_found');
  });

  it('is for nobody else but admins: no other developer, and no other application of the owner', async () => {
    const { id } = (await app.admin.post(WEBHOOKS, { clientId, ...endpoint })).body;
    const path = `${WEBHOOKS}/${id}`;
    const { id: otherClient } = await createClient(app.admin, { developerId: 'app-owner' });
    const strangers = [
      await app.developer(someone()),
      await createClientKey(app.admin, otherClient, 'app-owner'),
      // Of somebody who uses the application.
      await createClientKey(app.admin, clientId, someone()),
    ];
    for (const stranger of strangers) {
      const answers = [
        await stranger.post(WEBHOOKS, { clientId, ...endpoint }),
        await stranger.get(path),
        await stranger.patch(path, { active: false }),
        await stranger.post(`${path}/secret`, {}),
        await stranger.post(`${path}/test`, {}),
        await stranger.get(`${path}/deliveries`),
        await stranger.get(`${path}/deliveries/${id}`),
        await stranger.post(`${path}/deliveries/${id}/replay`, {}),
        await stranger.post(`${path}/replay`, { developerId: 'app-owner', since: '2024-01-01T00:00:00Z' }),
        await stranger.delete(path),
      ];
      for (const answer of answers) expectError(answer, 404, 'not_found');
      expect((await stranger.get(WEBHOOKS)).body.data).toEqual([]);
    }
    expect((await app.admin.get(path)).body.active).toBe(true);
    const reader = await app.developer('app-owner', ['sync:read']);
    expect((await reader.get(path)).status).toBe(200);
    expectError(await reader.delete(path), 403, 'insufficient_scope');
  });

  it.each([
    [{ url: 'ftp://127.0.0.1/' }, 'https://'],
    [{ url: 'http://user:secret@127.0.0.1/' }, 'credentials'],
    [{ url: 'nonsense' }, 'url'],
    [{ url: 'http:127.0.0.1/' }, 'http://'],
    [{ url: ' http://127.0.0.1/' }, 'http://'],
    [{ url: `http://127.0.0.1/${'x'.repeat(2_100)}` }, 'url'],
    [{ ...endpoint, assets: [] }, 'assets'],
    [{ ...endpoint, assets: ['users'] }, 'assets'],
    [{ ...endpoint, assets: ['routes,trips'] }, 'assets'],
    [{ ...endpoint, active: 'yes' }, 'active'],
    [{ ...endpoint, active: null }, 'active'],
    [{ ...endpoint, secret: 'whsec_eHh4' }, 'secret'],
  ])('refuses %j', async (input, says) => {
    expectError(await owner.post(WEBHOOKS, { clientId, ...input }), 400, 'invalid_request', says);
  });

  it('are at most 20 of one application, also when they are made at once', async () => {
    const { id } = await createClient(app.admin, { developerId: 'app-owner' });
    const create = () => app.admin.post(WEBHOOKS, { clientId: id, ...endpoint, active: false });
    const answers = await Promise.all(Array.from({ length: 22 }, create));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
    for (const answer of answers.filter(({ status }) => status !== 201))
      expectError(answer, 409, 'conflict', '20');
    const [{ id: first }] = (await app.admin.get(`${WEBHOOKS}?clientId=${id}`)).body.data;
    await app.admin.delete(`${WEBHOOKS}/${first}`);
    expect((await create()).status).toBe(201);
  });

  it('says that there is no such application', async () => {
    const nobody = '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d';
    expectError(await app.admin.post(WEBHOOKS, { clientId: nobody, ...endpoint }), 404, 'not_found', nobody);
  });
});

describe('the receiver of docs/webhooks.md', () => {
  /** Word for word, but for where its imports come from. */
  const [, code] = /```js\n([\s\S]*?)\n```/.exec(readFileSync('docs/webhooks.md', 'utf8'))!;
  const body = code.replace(/^import .*$/gm, '');
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own text, run as its reader would run it
  const make = new Function(
    'createServer',
    'Webhook',
    'WebhookVerificationError',
    `${body}; return createReceiver;`,
  );

  it('keeps an exact copy, also when a sync of its own fails, and believes nobody else', async () => {
    const { id: clientId } = await createClient(app.admin, { developerId: 'app-owner' });
    const developerId = someone();
    const api = await createClientKey(app.admin, clientId, developerId);
    const readme = new ReadmeClient(api);
    const userId = await idOf(developerId);
    const users: number[] = [];
    const sync = async (user: number) => {
      users.push(user);
      if (users.length === 1) throw new Error('not now');
      await readme.sync();
    };
    // Its secret is known when the endpoint is made, which needs its URL.
    const front = createServer();
    await once(front.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}/tidemark`;
    const { body: webhook } = await app.admin.post(WEBHOOKS, { clientId, url });
    const server = make(
      createServer,
      Webhook,
      WebhookVerificationError,
    )({ secret: webhook.secret, sync }) as Server;
    front.on('request', (request, response) => server.emit('request', request, response));

    expect((await app.admin.post(`${WEBHOOKS}/${webhook.id}/test`, {})).body.status).toBe('delivered');
    const { id } = await api.create(route(developerId, 'a'));
    await until(() => users.length > 0);
    await api.patch(`${RECORDS}/${id}`, { data: { n: 2 } });
    await untilSoon(() => ([...readme.copy.values()][0]?.content as { data?: object })?.data !== undefined);
    await untilSoon(() => JSON.stringify([...readme.copy.values()][0].content).includes('"n":2'));
    expect(new Set(users)).toEqual(new Set([userId]));
    const forged = { 'webhook-id': 'x', 'webhook-timestamp': '1', 'webhook-signature': 'v1,x' };
    expect((await fetch(url, { method: 'POST', body: '{}', headers: forged })).status).toBe(401);
    front.closeAllConnections();
    front.close();
  });
});
