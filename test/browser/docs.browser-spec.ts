import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type { Api } from '../support/api.js';
import { createClient, createClientKey } from '../support/api-clients.js';
import { launchChromium } from '../support/chromium.js';
import { apiOperations } from '../support/documented.js';
import { getTokens, setPassword } from '../support/oauth.js';
import { Receiver } from '../support/receiver.js';
import {
  ADMIN_KEY,
  createDatabase,
  createDeveloper,
  ServerProcess,
  type TestDatabase,
} from '../support/server.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let server: ServerProcess;
let receiver: Receiver;
let browser: Browser;
let page: Page;
/** Whatever the page complains of: errors in its console (violations of its policy among them), lost requests. */
const complaints: string[] = [];
/** The operations that were tried out. */
const tried = new Set<string>();
/** Those that the page shows now. */
const shown = new Set<string>();

beforeAll(async () => {
  database = await createDatabase();
  server = await ServerProcess.start({ ...database.env, WEBHOOK_ALLOW_PRIVATE: 'true' });
  receiver = await Receiver.start();
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1280, height: 1600 } });
  page.setDefaultTimeout(30_000);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.url()}: ${response.status()}`);
  });
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await receiver?.close();
  await database?.drop();
});

// Everything that the page shows makes it slower.
beforeEach(async () => {
  await page.goto(`${server.url}/docs`);
  await page.locator('.opblock').first().waitFor();
  shown.clear();
  // The page keeps no credential.
  if (credential !== undefined) await enter(credential);
});

/** What is entered on each load of the page. */
let credential: string | undefined;

async function authorize(key: string): Promise<void> {
  credential = key;
  await enter(key);
}

async function enter(key: string): Promise<void> {
  await page.locator('.scheme-container .authorize').click();
  const dialog = page.locator('.dialog-ux');
  await dialog.waitFor();
  const remove = dialog.getByRole('button', { name: 'Remove authorization' });
  if (await remove.isVisible()) await remove.click();
  await dialog.locator('#auth-bearer-value').fill(key);
  await dialog
    .locator('form', { hasText: 'bearer (http' })
    .getByRole('button', { name: 'Apply credentials' })
    .click();
  await dialog.getByRole('button', { name: 'Close' }).first().click();
}

/**
 * "Try it out" of one route as a person does it.
 *
 * @param values what to type, by parameter; everything else stays as the page prefills it
 * @param input the body, in the place of the one that the page prefills
 * @returns what the page shows
 */
async function tryOut(operation: string, values: Record<string, string> = {}, input?: object) {
  const box = page.locator(`.opblock[id$="-${operation}"]`);
  if (shown.has(operation)) await box.getByRole('button', { name: 'Clear' }).click();
  else {
    await box.locator('.opblock-summary-control').click();
    await box.getByRole('button', { name: 'Try it out' }).click();
    tried.add(operation);
    shown.add(operation);
  }
  for (const [name, value] of Object.entries(values)) {
    await box.locator(`tr[data-param-name="${name}"] input`).fill(value);
  }
  if (input) await box.locator('textarea.body-param__text').fill(JSON.stringify(input));
  await box.getByRole('button', { name: 'Execute' }).click();
  const answer = box.locator('.live-responses-table .response');
  await answer.waitFor();
  // Not a number when the page adds that the status is undocumented.
  const status = Number(await answer.locator('.response-col_status').innerText());
  if ([202, 204].includes(status)) return { status };
  return {
    status,
    body: JSON.parse(await answer.locator('h5:text-is("Response body") + div code').innerText()),
  };
}

it('opens, has a key entered, and keeps it nowhere', async () => {
  expect(await page.title()).toBe('Tidemark API');
  await authorize(ADMIN_KEY);
  const stored = await page.evaluate(
    'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
  );
  expect(stored).not.toContain(ADMIN_KEY);
});

let key: { id: string; key: string };
let record: { id: string };
/** Where the next sync goes on. */
let cursor: string;

it('an admin creates a key of a developer, and lists it', async () => {
  const created = await tryOut('ApiKeys_create');
  expect(created).toMatchObject({ status: 201, body: { developerId: 'dev-789', key: expect.any(String) } });
  key = created.body;
  const listed = await tryOut('ApiKeys_list');
  expect(listed).toMatchObject({ status: 200, body: { total: 1, data: [{ id: key.id }] } });
});

it('an admin creates, changes and deletes an API client, and names the developer', async () => {
  const created = await tryOut('ApiClients_create');
  expect(created).toMatchObject({ status: 201, body: { name: 'Route planner', secret: expect.any(String) } });
  const { id } = created.body;
  expect(await tryOut('ApiClients_list')).toMatchObject({ status: 200, body: { total: 1, data: [{ id }] } });
  expect(await tryOut('ApiClients_update', { id })).toMatchObject({ status: 200, body: { id } });
  expect(await tryOut('ApiClients_rotateSecret', { id })).toMatchObject({
    status: 201,
    body: { id, secret: expect.not.stringMatching(created.body.secret) },
  });
  expect(await tryOut('ApiClients_get', { id })).toMatchObject({
    status: 200,
    body: { id, previousSecretExpiresAt: expect.any(String) },
  });
  expect(await tryOut('ApiClients_delete', { id })).toEqual({ status: 204 });
  expect(await tryOut('Developers_put')).toMatchObject({ status: 200, body: { developerId: 'dev-789' } });
});

it('the developer creates the record of the example', async () => {
  await authorize(key.key);
  expect(await tryOut('Developers_current')).toMatchObject({
    status: 200,
    body: { user: { developer_id: 'dev-789', name: 'Ada Lovelace' } },
  });
  const created = await tryOut('Records_create');
  expect(created).toMatchObject({
    status: 201,
    body: {
      developerId: 'dev-789',
      resourceType: 'FEATURE_FLAG_STATE',
      resourceKey: 'flag-migration-v2',
      data: { enabled: false },
      status: 'ACTIVE',
    },
  });
  record = created.body;
});

it('lists and fetches it', async () => {
  expect(await tryOut('Records_list')).toMatchObject({ status: 200, body: { total: 1, data: [record] } });
  expect(await tryOut('Records_get', { id: record.id })).toEqual({ status: 200, body: record });
});

it('syncs, updates, and syncs what is new', async () => {
  const initial = await tryOut('SyncFeed_sync');
  expect(initial).toMatchObject({
    status: 200,
    body: { items: [{ item_type: 'feature_flag_state', action: 'created' }], meta: { item_count: 1 } },
  });
  const item = initial.body.items[0];
  const since = initial.body.meta.rwgps_datetime;

  const updated = await tryOut('Records_update', { id: record.id });
  expect(updated).toMatchObject({
    status: 200,
    body: { id: record.id, data: { enabled: true }, status: 'PENDING_SYNC_CONFIRMATION' },
  });
  const incremental = await tryOut('SyncFeed_sync', { since });
  expect(incremental).toMatchObject({
    status: 200,
    body: {
      items: [{ ...item, action: 'updated', datetime: updated.body.updatedAt }],
      meta: { item_count: 1 },
    },
  });

  const [assets] = new URL(item.item_url).pathname.split('/').slice(-2);
  expect(await tryOut('Items_get', { assets, item_id: String(item.item_id) })).toMatchObject({
    status: 200,
    body: { feature_flag_state: { record_id: record.id, data: { enabled: true } } },
  });
  expect(await tryOut('Items_list', { assets })).toMatchObject({
    status: 200,
    body: { items: [{ feature_flag_state: { record_id: record.id } }] },
  });

  cursor = incremental.body.meta.rwgps_datetime;
});

it('shares and pins it, looks at the collection, and takes both back', async () => {
  await createDeveloper(server.url, 'dev-456');
  const share = { id: record.id, developerId: 'dev-456' };
  expect(await tryOut('Shares_grant', share)).toEqual({ status: 204 });
  expect(await tryOut('Shares_list', { id: record.id })).toMatchObject({
    status: 200,
    body: { total: 1, data: [{ developerId: 'dev-456' }] },
  });
  expect(await tryOut('Shares_revoke', share)).toEqual({ status: 204 });

  expect(await tryOut('Collections_pin', { id: record.id })).toEqual({ status: 204 });
  const { body } = await tryOut('Collections_list');
  expect(body).toMatchObject({ collections: [{ type: 'pinned' }] });
  const collection_id = String(body.collections[0].id);
  expect(await tryOut('Collections_get', { collection_id })).toMatchObject({
    status: 200,
    body: { total: 1, items: [{ feature_flag_state: { record_id: record.id } }] },
  });
  expect(await tryOut('Collections_getPinned')).toMatchObject({ status: 200, body: { total: 1 } });
  expect(await tryOut('Collections_unpin', { id: record.id })).toEqual({ status: 204 });
  const synced = await tryOut('SyncFeed_sync', { since: cursor });
  expect(synced).toMatchObject({
    status: 200,
    body: { items: [{ action: 'added' }, { action: 'removed' }] },
  });
  cursor = synced.body.meta.rwgps_datetime;
});

it('deletes it, and syncs that', async () => {
  expect(await tryOut('Records_remove', { id: record.id })).toEqual({ status: 204 });
  expect(await tryOut('SyncFeed_sync', { since: cursor })).toMatchObject({
    status: 200,
    body: { items: [{ action: 'deleted' }], meta: { item_count: 1 } },
  });
});

it('the developer rotates the key', async () => {
  const rotated = await tryOut('ApiKeys_rotate', { id: key.id });
  expect(rotated).toMatchObject({ status: 201, body: { developerId: 'dev-789', key: expect.any(String) } });
});

it('an admin revokes the key', async () => {
  await authorize(ADMIN_KEY);
  expect(await tryOut('ApiKeys_revoke', { id: key.id })).toEqual({ status: 204 });
  const listed = await tryOut('ApiKeys_list');
  expect(listed.body.data[0]).toMatchObject({ id: key.id, revokedAt: expect.any(String) });
});

it('anybody asks for its health', async () => {
  for (const operation of ['Health_live', 'Health_ready']) {
    expect(await tryOut(operation)).toEqual({ status: 200, body: { status: 'ok' } });
  }
});

it('an admin lets a developer log in, and changes the signing keys', async () => {
  await authorize(ADMIN_KEY);
  expect(await tryOut('Passwords_set', { developerId: 'dev-789' })).toEqual({ status: 204 });
  expect((await tryOut('Passwords_invite', { developerId: 'dev-789' })).status).toBe(201);
  expect((await tryOut('SigningKeys_rotate')).status).toBe(201);
});

it('a developer who has granted nothing sees no grant', async () => {
  const { key } = (
    await server.admin.post('/api/v1/api-keys', { developerId: 'dev-789', scopes: ['sync:read'] })
  ).body;
  await authorize(key);
  expect(await tryOut('Grants_list')).toMatchObject({ status: 200, body: { total: 0 } });
});

it('a grant is withdrawn', async () => {
  await setPassword(server.admin, 'dev-789');
  const client = await createClient(server.admin);
  await getTokens(server.url, client, 'dev-789');
  const [grant] = (await server.admin.get('/api/v1/grants')).body.data;
  await authorize(ADMIN_KEY);
  expect(await tryOut('Grants_withdraw', { id: grant.id })).toEqual({ status: 204 });
});

let webhook: { id: string; secret: string };
let hooked: Api;

it('an admin sets up a webhook, and tests it', async () => {
  const client = await createClient(server.admin);
  hooked = await createClientKey(server.admin, client.id, 'dev-hooked');
  const created = await tryOut('Webhooks_create', {}, { clientId: client.id, url: receiver.url });
  expect(created).toMatchObject({ status: 201, body: { clientId: client.id, active: true } });
  webhook = created.body;
  receiver.secrets.push(webhook.secret);
  const { id } = webhook;
  expect(await tryOut('Webhooks_list')).toMatchObject({ status: 200, body: { total: 1, data: [{ id }] } });
  expect(await tryOut('Webhooks_get', { id })).toMatchObject({ status: 200, body: { id } });
  expect(await tryOut('Webhooks_update', { id }, { assets: ['routes'] })).toMatchObject({
    status: 200,
    body: { id, assets: ['routes'] },
  });
  expect((await tryOut('Webhooks_test', { id })).status).toBe(200);
});

it('looks at its log, and sends again', async () => {
  const { id, secret } = webhook;
  await hooked.create({ developerId: 'dev-hooked', resourceType: 'ROUTE', resourceKey: 'r', data: {} });
  await until(() => receiver.messages.length === 1);
  const [{ id: deliveryId, range }] = receiver.messages;
  await until(async () => {
    const { body } = await server.admin.get(`/api/v1/webhooks/${id}/deliveries/${deliveryId}`);
    return body.status === 'delivered';
  });
  const log = await tryOut('Webhooks_listDeliveries', { id });
  expect(log.body.data.map((delivery: { id: string }) => delivery.id)).toContain(deliveryId);
  expect(await tryOut('Webhooks_getDelivery', { id, deliveryId })).toMatchObject({
    status: 200,
    body: { id: deliveryId, attempts: [{ status: 204 }] },
  });
  expect((await tryOut('Webhooks_replayDelivery', { id, deliveryId })).status).toBe(202);
  const again = { developerId: 'dev-hooked', since: range!.since };
  expect((await tryOut('Webhooks_replayRange', { id }, again)).status).toBe(202);
  const rotated = await tryOut('Webhooks_rotateSecret', { id });
  expect(rotated.status).toBe(201);
  expect(rotated.body.secret).not.toBe(secret);
  expect(await tryOut('Webhooks_delete', { id })).toEqual({ status: 204 });
});

it('an admin reads the audit log, and erases a developer', async () => {
  await createDeveloper(server.url, 'dev-gone');
  await authorize(ADMIN_KEY);
  const { status, body } = await tryOut('AuditLog_list');
  expect([status, body.data[0]]).toMatchObject([200, { action: 'key.created', developerId: 'dev-gone' }]);
  expect(await tryOut('Erasure_erase', { developerId: 'dev-gone' })).toEqual({ status: 204 });
});

it('nothing was left out, and the page had nothing to complain of', async () => {
  const { body } = await server.admin.get('/docs-json');
  const operations = [...apiOperations<{ operationId: string }>(body).values()].map(
    ({ operationId }) => operationId,
  );
  expect([...tried].sort()).toEqual(operations.sort());
  expect(complaints).toEqual([]);
});
