import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, RECORDS } from './support/api.js';
import { type Client, createClient } from './support/api-clients.js';
import { expectError } from './support/errors.js';
import { expectLibrary, settle } from './support/followers.js';
import {
  authorizeUrl,
  authorization,
  Browser,
  getTokens,
  PASSWORD,
  pkce,
  post,
  setPassword,
} from './support/oauth.js';
import { ReadmeClient } from './support/readme-client.js';
import { Receiver } from './support/receiver.js';
import { startApp, type TestApp } from './support/server.js';
import { expectExactCopy, SyncClient } from './support/sync-client.js';
import { isErased, tracesOf, userIdOf } from './support/traces.js';
import { until } from './support/until.js';
import { createApplication } from './support/webhooks.js';
import { withoutGuard } from './support/without-guard.js';

let app: TestApp;
let client: Client;
let receiver: Receiver;
beforeAll(async () => {
  app = await startApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });
  client = await createClient(app.admin);
  receiver = await Receiver.start();
});
afterAll(async () => {
  await app.close();
  await receiver.close();
});

const query = (sql: string, values: unknown[] = []) => app.dataSource.query(sql, values);
const urlOf = (developerId: string) => `/api/v1/developers/${encodeURIComponent(developerId)}`;
const erase = (developerId: string) => app.admin.delete(urlOf(developerId));
const input = (developerId: string, resourceKey: string) => ({
  developerId,
  resourceType: 'ROUTE',
  resourceKey,
  data: { by: developerId },
});

/** Erases a developer, and waits for the end. */
async function eraseAll(developerId: string): Promise<number> {
  const userId = await userIdOf(query, developerId);
  expect((await erase(developerId)).status).toBe(204);
  await until(() => isErased(query, userId));
  await settle(query);
  return userId;
}

// First: later developers are born after erasures.
it('leaves feeds that are older than the erasure alone, whatever their since', async () => {
  const dev = await app.developer('bystander');
  const before = new Date(Date.now() - 1).toISOString();
  await dev.create(input('bystander', 'k'));
  await app.developer('erased-later');
  await eraseAll('erased-later');
  expect((await dev.sync({ since: before })).body.items).toHaveLength(1);
});

describe('a developer with everything that a developer can have', () => {
  const developerId = 'erased-with-everything';
  let userId: number;
  let dev: Api;
  let other: Api;
  /** Follows a record of the developer; `readme` is the same with the client of README.md. */
  let follower: SyncClient;
  let readme: ReadmeClient;
  let credentials: Record<string, Api>;
  let tokens: Awaited<ReturnType<typeof getTokens>>;
  let browser: Browser;
  let invite: URL;
  let path: string;

  beforeAll(async () => {
    dev = await app.developer(developerId);
    other = await app.developer('other');
    userId = await userIdOf(query, developerId);
    await app.admin.request('PUT', urlOf(developerId), {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Ada' }),
    });
    // An application with a webhook, a grant, a login, one that waits, and an invite.
    const application = await createApplication(app.admin, receiver);
    const clientKey = await application.connect(developerId);
    await setPassword(app.admin, developerId);
    browser = new Browser(app.url);
    tokens = await getTokens(app.url, client, developerId, {}, browser);
    const another = await createClient(app.admin);
    await browser.follow(await browser.request(authorizeUrl(authorization(another, pkce().challenge))));
    invite = new URL((await app.admin.post(`${urlOf(developerId)}/invites`, {})).body.url);
    credentials = { dev, clientKey, token: new Api(app.url, tokens.access_token) };

    // Records: one that is pinned by all, one that was updated, one that was deleted, and one of each kind of share.
    path = `${RECORDS}/${(await dev.create(input(developerId, 'followed'))).id}`;
    await dev.put(`${path}/shares/other`);
    await other.put(`${path}/pin`);
    await dev.put(`${path}/pin`);
    const updated = await dev.create(input(developerId, 'updated'));
    await dev.patch(`${RECORDS}/${updated.id}`, { data: { n: 1 } });
    await dev.delete(`${RECORDS}/${(await dev.create(input(developerId, 'deleted'))).id}`);
    const got = await other.create(input('other', 'shared with the erased one'));
    await other.put(`${RECORDS}/${got.id}/shares/${developerId}`);
    await dev.put(`${RECORDS}/${got.id}/pin`);
    await other.create(input('other', 'own'));
    await settle(query);
    await until(() => receiver.received.some(({ range }) => range?.user_id === userId));
    // Under load, one comes while the webhook is sent, and is drained after it.
    await until(async () => (await query('SELECT FROM webhook_wake_ups')).length === 0);
    follower = await new SyncClient(other).catchUp();
    readme = new ReadmeClient(other);
    await readme.sync();
    expect(follower.pinned.size).toBe(1);
    // Otherwise the search for traces would prove nothing.
    expect(await tracesOf(query, { userId, developerId })).toEqual([
      ...[
        'api_keys',
        'change_events',
        'developers',
        'feeds',
        'grants',
        'invites',
        'library_sizes',
        'login_origins',
        'oauth_states',
        'passwords',
      ],
      ...['pins', 'records', 'shares', 'webhook_deliveries', 'webhook_positions'],
    ]);
    const [{ models }] = await query(
      'SELECT array_agg(DISTINCT model ORDER BY model) AS models FROM oauth_states WHERE payload::text LIKE $1',
      [`%${developerId}%`],
    );
    expect(models).toEqual(expect.arrayContaining(['Interaction', 'RefreshToken', 'Session']));

    expect((await erase(developerId)).status).toBe(204);
  });

  it('has no access any more when the answer comes', async () => {
    for (const api of Object.values(credentials)) expectError(await api.get(RECORDS), 401, 'invalid_token');
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
    expect((await post(app.url, '/oauth/token', client, refresh)).body.error).toBe('invalid_grant');
    expect((await new Browser(app.url).request(invite.pathname + invite.search)).status).toBe(404);
    // The browser that was logged in gets the login page, which does not take the old password.
    const start = authorizeUrl(authorization(client, pkce().challenge));
    const { response, location } = await browser.follow(await browser.request(start));
    expect(await response.text()).toContain('name="password"');
    const form = { account: developerId, password: PASSWORD, action: 'login' };
    expect((await browser.post(location, form)).status).toBe(401);
  });

  it('is gone from every table in the end, the audit log aside', async () => {
    await until(() => isErased(query, userId));
    await settle(query);
    expect(await tracesOf(query, { userId, developerId })).toEqual([]);
    const lines = (await app.admin.get(`/api/v1/audit-log?developerId=${developerId}`)).body.data;
    expect(lines[0]).toMatchObject({ action: 'developer.erased', actor: { kind: 'admin_key' } });
    expect(lines.at(-1)).toMatchObject({ action: 'key.created' });
  });

  it('leaves the copies of followers exact, with one removed', async () => {
    await follower.catchUp();
    expect(follower.received.filter(({ action }) => action === 'removed')).toHaveLength(1);
    expect(follower.pinned.size).toBe(0);
    await expectLibrary(query, follower, other, 'other');
    await readme.sync(true);
    expect([...readme.copy.keys()].sort()).toEqual([...follower.items.keys()].sort());
    expectError(await other.get(path), 404, 'not_found');
  });

  it('is not found a second time', async () => {
    expectError(await erase(developerId), 404, 'not_found', developerId);
  });
});

describe('a developerId that is used again', () => {
  it('is free at once: a new developer with an empty library, also while the old one is being deleted', async () => {
    const dev = await app.developer('again');
    await dev.create(input('again', 'k'));
    const old = await userIdOf(query, 'again');
    expect((await erase('again')).status).toBe(204);
    const reborn = await app.developer('again');
    expect(await userIdOf(query, 'again')).not.toBe(old);
    expect((await reborn.get(RECORDS)).body.total).toBe(0);
    expect((await reborn.sync('since=1970-01-01')).body.items).toEqual([]);
    // The same key of a record, which was not freed yet.
    await reborn.create(input('again', 'k'));
    expectError(await dev.get(RECORDS), 401, 'invalid_token');
    await until(() => isErased(query, old));
    expect((await reborn.get(RECORDS)).body.total).toBe(1);
    await expectExactCopy(await new SyncClient(reborn).catchUp(), reborn, 'again');
  });

  it.each([
    ['', 'as usual'],
    [`clock + interval '1 hour'`, 'that was ahead of the time'],
  ])('does not go on from a cursor of the erased feed %s %s', async (clock) => {
    const developerId = `cursor-${clock.length}`;
    const dev = await app.developer(developerId);
    const ids: string[] = [];
    for (const key of ['a', 'b', 'c']) ids.push((await dev.create(input(developerId, key))).id);
    if (clock) await query(`UPDATE feeds SET clock = ${clock} WHERE developer_id = $1`, [developerId]);
    await dev.patch(`${RECORDS}/${ids[0]}`, { data: { n: 1 } });
    const client = await new SyncClient(dev).catchUp();
    const readme = new ReadmeClient(dev);
    await readme.sync();
    const page = (await dev.sync('since=1970-01-01&compact=true&limit=1')).body.meta.next_sync_url;
    await eraseAll(developerId);

    const reborn = await app.developer(developerId);
    await reborn.create(input(developerId, 'new'));
    client.moveTo(reborn);
    await expect(client.poll()).rejects.toThrow('410');
    for (const url of [client.save().url, `${client.save().url}&compact=true`, page]) {
      const { status, body } = await reborn.get(url);
      expect({ status, body }).toMatchObject({ status: 410, body: { code: 'cursor_expired' } });
      const { items } = (await reborn.get(body.resync_url)).body;
      expect(items).toHaveLength(1);
    }
    readme.moveTo(reborn);
    await readme.sync(true);
    expect([...readme.copy.values()].map(({ content }) => content)).toEqual([
      expect.objectContaining({ resource_key: 'new' }),
    ]);
    // Datetimes from before the erased feed are no cursors of it.
    for (const since of ['1970-01-01T00:00:00Z', '2024-09-01T00:00:00Z']) {
      const fresh = await new SyncClient(reborn, since).catchUp();
      await expectExactCopy(fresh, reborn, developerId);
    }
  });
});

it('a developer who owns API clients is not erased before these are deleted, and keeps everything', async () => {
  const dev = await app.developer('owns-clients');
  await dev.create(input('owns-clients', 'k'));
  const { id } = await createClient(app.admin, { developerId: 'owns-clients' });
  expectError(await erase('owns-clients'), 409, 'conflict', id);
  expect((await dev.get(RECORDS)).body.total).toBe(1);
  const actions = async () =>
    (await app.admin.get('/api/v1/audit-log?developerId=owns-clients')).body.data.map(
      ({ action }: { action: string }) => action,
    );
  expect(await actions()).not.toContain('developer.erased');
  await app.admin.delete(`/api/v1/api-clients/${id}`);
  const userId = await eraseAll('owns-clients');
  expect(await tracesOf(query, { userId, developerId: 'owns-clients' })).toEqual([]);
});

it('an admin may erase itself', async () => {
  const root = await app.developer('root', ['sync:admin']);
  expect((await root.delete(urlOf('root'))).status).toBe(204);
  expectError(await root.delete(urlOf('root')), 401, 'invalid_token');
});

it.each([
  ['an unknown developer', 'never-there', 404, 'not_found'],
  ['a name with NUL', 'a\0', 400, 'invalid_request'],
  ['a name that is too long', 'x'.repeat(256), 400, 'invalid_request'],
])('refuses %s', async (_name, developerId, status, code) => {
  expectError(await erase(developerId), status, code);
});

it('deletes a library of several slices, shared records among them, and each follower gets each removed once', async () => {
  const RECORDS_OF_MANY = 4_500;
  await app.developer('many');
  const reader = await app.developer('reader');
  await app.dataSource.transaction(async (manager) => {
    await manager.query(`SELECT set_config('tidemark.changes_feed', 'on', true)`);
    await manager.query(
      `INSERT INTO records (user_id, item_id, id, developer_id, resource_type, resource_key, data, metadata, status,
         created_at, updated_at, bytes)
       SELECT user_id, nextval('item_ids'), gen_random_uuid(), developer_id, 'ROUTE', 'key-' || n, '{}', '{}', 'ACTIVE',
         clock + n * interval '1 ms', clock + n * interval '1 ms', 4
       FROM feeds, generate_series(1, ${RECORDS_OF_MANY}) n WHERE developer_id = 'many' ORDER BY n`,
    );
    await manager.query(
      `INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
       SELECT user_id, created_at, 'created', 'route', 'routes', item_id, user_id FROM records
       WHERE developer_id = 'many'`,
    );
    await manager.query(
      `UPDATE feeds SET clock = clock + interval '${RECORDS_OF_MANY} ms' WHERE developer_id = 'many'`,
    );
  });
  const shared: string[] = (
    await query(`SELECT id FROM records WHERE developer_id = 'many' ORDER BY random() LIMIT 120`)
  ).map(({ id }: { id: string }) => id);
  for (const id of shared) {
    await app.admin.put(`${RECORDS}/${id}/shares/reader`);
    expect((await reader.put(`${RECORDS}/${id}/pin`)).status).toBe(204);
  }
  const copy = await new SyncClient(reader).catchUp();
  expect(copy.pinned.size).toBe(shared.length);
  const userId = await eraseAll('many');
  await copy.catchUp();
  expect(copy.pinned.size).toBe(0);
  expect(copy.received.filter(({ action }) => action === 'removed')).toHaveLength(shared.length);
  expect(await tracesOf(query, { userId, developerId: 'many' })).toEqual([]);
});

it('what a process remembers of an erased developer gets a clear error, and never reaches the new one', async () => {
  // As another process: it has seen the developer before the erasure.
  const dev = await app.developer('remembered');
  const record = await dev.create(input('remembered', 'k'));
  await withoutGuard(
    app.dataSource,
    `UPDATE developers SET developer_id = 'erased:elsewhere' WHERE developer_id = 'remembered'`,
  );
  await withoutGuard(
    app.dataSource,
    `UPDATE feeds SET developer_id = 'erased:elsewhere' WHERE developer_id = 'remembered'`,
  );
  const answers = [
    () => dev.get('/api/v1/users/current.json'),
    () => app.admin.post('/api/v1/api-keys', { developerId: 'remembered', scopes: ['sync:read'] }),
    () =>
      app.admin.post('/api/v1/api-clients', { developerId: 'remembered', name: 'a', scopes: ['sync:read'] }),
    () => setPassword(app.admin, 'remembered'),
    () => app.admin.post(`${urlOf('remembered')}/invites`, {}),
    () =>
      app.admin.request('PUT', urlOf('remembered'), {
        headers: { 'content-type': 'application/json' },
        body: '{"name":"x"}',
      }),
  ];
  for (const request of answers) {
    const answer = await request();
    expectError(answer, 503, 'service_unavailable', 'erased');
    expect(answer.headers.get('retry-after')).toBe('5');
  }
  // The feed makes the process forget: the next request makes a new developer.
  expectError(await app.admin.post(RECORDS, input('remembered', 'x')), 503, 'service_unavailable');
  expectError(await app.admin.patch(`${RECORDS}/${record.id}`, { data: {} }), 503, 'service_unavailable');
  await app.admin.create(input('remembered', 'x'));
  expect((await app.admin.get(`${RECORDS}?developerId=remembered`)).body.total).toBe(1);
});
