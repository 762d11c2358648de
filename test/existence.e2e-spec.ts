import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { type Answer, type Api, RECORDS } from './support/api.js';
import { createClient, createClientKey } from './support/api-clients.js';
import { apiOperations } from './support/documented.js';
import { expectError } from './support/errors.js';
import { getTokens, setPassword } from './support/oauth.js';
import { Receiver } from './support/receiver.js';
import { startApp, type TestApp } from './support/server.js';
import { createEndpoint, WEBHOOKS } from './support/webhooks.js';

/*
 * Enumeration: a developer, or an application, asks for what another developer has, and for the same with an
 * id that does not exist. Both answers are equal, byte for byte, but for the id that the request named.
 */

const OWNER = 'dev-owner';
const OTHER = 'dev-other';
const UUID = '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d';
const SINCE = '1970-01-01T00:00:00Z';

/** Ids that do not exist. */
const UNKNOWN = {
  developer: 'dev-unknown',
  record: UUID,
  item: '999999',
  collection: '999999',
  webhook: UUID,
  delivery: UUID,
  client: UUID,
  key: UUID,
  grant: 'g'.repeat(43),
};
type Kind = keyof typeof UNKNOWN;

let app: TestApp;
let receiver: Receiver;
/** The same kinds of things, of OWNER. */
let foreign: Record<Kind, string>;
/** The same, of OTHER: the developer of the callers. */
let own: Record<'record' | 'webhook', string>;
let callers: Record<string, Api>;
/** `GET /path/{parameter}` and the scope that it needs; undefined: none. */
let scopes: Map<string, string | undefined>;

beforeAll(async () => {
  app = await startApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });
  receiver = await Receiver.start();
  const idOf = (webhook: string) => webhook.slice(WEBHOOKS.length + 1);
  const routeOf = (developerId: string) => ({
    developerId,
    resourceType: 'ROUTE',
    resourceKey: 'r',
    data: {},
  });

  const owner = await app.developer(OWNER);
  const record = await owner.create(routeOf(OWNER));
  await owner.put(`${RECORDS}/${record.id}/pin`);
  const [item] = (await owner.sync({ since: SINCE })).body.items;
  const { id: client } = await createClient(app.admin, { developerId: OWNER });
  const webhook = await createEndpoint(app.admin, client, receiver);
  await setPassword(app.admin, OWNER);
  const application = await createClient(app.admin, { developerId: 'app-owner' });
  const { access_token } = await getTokens(app.url, application, OWNER, { scope: 'sync:read' });
  foreign = {
    developer: OWNER,
    record: record.id,
    item: String(item.item_id),
    collection: String(item.item_user_id),
    webhook: idOf(webhook),
    delivery: (await owner.post(`${webhook}/test`, {})).body.id,
    client,
    key: (await owner.get('/api/v1/api-keys')).body.data[0].id,
    grant: String(decodeJwt(access_token).grant),
  };

  const other = await app.developer(OTHER);
  const { id: otherClient } = await createClient(app.admin, { developerId: OTHER });
  own = {
    record: (await other.create(routeOf(OTHER))).id,
    webhook: idOf(await createEndpoint(app.admin, otherClient, receiver)),
  };
  callers = {
    'a developer': other,
    'an application': await createClientKey(app.admin, otherClient, OTHER),
    "the owner's application, for another developer": await createClientKey(app.admin, client, OTHER),
  };

  const operations = apiOperations<{ security: { oauth2: string[] }[] }>(
    (await app.admin.get('/docs-json')).body,
  );
  scopes = new Map(
    [...operations].map(
      ([
        operation,
        {
          security: [, oauth],
        },
      ]) => [operation, oauth?.oauth2[0]] as const,
    ),
  );
});
afterAll(async () => {
  await receiver.close();
  await app.close();
});

interface Case {
  /** As in the OpenAPI document. */
  operation: string;
  /** Of the id that is foreign or unknown: `{?}` in the path, the query and the body. */
  kind: Kind;
  path: string;
  body?: object | string;
  /** Of both answers, for the developer. */
  status: number;
}

const cases: Case[] = [];

/** @param path with `{?}` for the id, and `{own record}` or `{own webhook}` */
function ask(operation: string, kind: Kind, path: string, status: number, body?: object | string): void {
  cases.push({ operation, kind, path, status, body });
}

/** The id is the (first) parameter of the path; the others are filled in. */
function askById(operation: string, kind: Kind, body?: object, rest = ''): void {
  const [, template] = operation.split(' ');
  const path = template
    .replace(/\{(id|item_id|collection_id)\}/, '{?}')
    .replace('{assets}', 'routes')
    .replace('{deliveryId}', UUID)
    .replace('{developerId}', OTHER);
  ask(operation, kind, path + rest, 404, body);
  if (!body) return;
  // No other error comes first for one of the two.
  ask(operation, kind, path, 400, { nonsense: 1 });
  ask(operation, kind, path, 400, '{');
}

askById(`GET ${RECORDS}/{id}/shares`, 'record');
askById(`PUT ${RECORDS}/{id}/shares/{developerId}`, 'record');
askById(`DELETE ${RECORDS}/{id}/shares/{developerId}`, 'record');
askById(`PUT ${RECORDS}/{id}/pin`, 'record');
askById(`DELETE ${RECORDS}/{id}/pin`, 'record');
ask(`PUT ${RECORDS}/{id}/shares/{developerId}`, 'record', `${RECORDS}/{?}/shares/never-seen`, 404);
ask(`GET ${RECORDS}/{id}/shares`, 'record', `${RECORDS}/{?}/shares?limit=0`, 400);
askById('GET /api/v1/{assets}/{item_id}.json', 'item');
ask('GET /api/v1/{assets}/{item_id}.json', 'item', '/api/v1/trips/{?}.json', 404);
askById('GET /api/v1/collections/{collection_id}.json', 'collection');

askById('POST /api/v1/api-keys/{id}/rotate', 'key', {});
askById('DELETE /api/v1/api-keys/{id}', 'key');
askById('DELETE /api/v1/grants/{id}', 'grant');

const range = { developerId: OTHER, since: SINCE };
askById(`GET ${WEBHOOKS}/{id}`, 'webhook');
askById(`PATCH ${WEBHOOKS}/{id}`, 'webhook', { active: false });
askById(`PATCH ${WEBHOOKS}/{id}`, 'webhook', { url: 'http://user:secret@127.0.0.1/' });
askById(`DELETE ${WEBHOOKS}/{id}`, 'webhook');
askById(`POST ${WEBHOOKS}/{id}/secret`, 'webhook', {});
askById(`POST ${WEBHOOKS}/{id}/test`, 'webhook');
askById(`POST ${WEBHOOKS}/{id}/replay`, 'webhook', range);
askById(`POST ${WEBHOOKS}/{id}/replay`, 'webhook', { ...range, until: SINCE });
askById(`GET ${WEBHOOKS}/{id}/deliveries`, 'webhook');
askById(`GET ${WEBHOOKS}/{id}/deliveries`, 'webhook', undefined, `?developerId=${OTHER}`);
askById(`GET ${WEBHOOKS}/{id}/deliveries/{deliveryId}`, 'webhook');
askById(`POST ${WEBHOOKS}/{id}/deliveries/{deliveryId}/replay`, 'webhook');
const delivery = `${WEBHOOKS}/{own webhook}/deliveries/{?}`;
ask(`GET ${WEBHOOKS}/{id}/deliveries/{deliveryId}`, 'delivery', delivery, 404);
ask(`POST ${WEBHOOKS}/{id}/deliveries/{deliveryId}/replay`, 'delivery', `${delivery}/replay`, 404);

const webhook = { clientId: '{?}', url: 'http://127.0.0.1:9/' };
ask(`POST ${WEBHOOKS}`, 'client', WEBHOOKS, 404, webhook);
ask(`POST ${WEBHOOKS}`, 'client', WEBHOOKS, 404, { ...webhook, url: 'ftp://127.0.0.1/' });
ask(`POST ${WEBHOOKS}`, 'client', WEBHOOKS, 400, { ...webhook, active: 1 });
ask(`GET ${WEBHOOKS}`, 'client', `${WEBHOOKS}?clientId={?}`, 200);

// 403 says that the credential is of another developer, known or not.
const record = { developerId: '{?}', resourceType: 'ROUTE', resourceKey: 'r', data: {} };
ask(`POST ${RECORDS}`, 'developer', RECORDS, 403, record);
ask(`POST ${RECORDS}`, 'developer', RECORDS, 400, { ...record, data: 1 });
for (const path of [RECORDS, '/api/v1/collections.json', '/api/v1/api-keys', '/api/v1/grants'])
  ask(`GET ${path}`, 'developer', `${path}?developerId={?}`, 403);
ask('GET /api/v1/{assets}.json', 'developer', '/api/v1/routes.json?developerId={?}', 403);
const feed = '/api/v1/sync.json?developerId={?}&since';
ask('GET /api/v1/sync.json', 'developer', `${feed}=${SINCE}`, 403);
ask('GET /api/v1/sync.json', 'developer', `${feed}=2999-01-01`, 403);
ask('GET /api/v1/sync.json', 'developer', `${feed}=nonsense`, 400);
const ownReplay = `${WEBHOOKS}/{own webhook}/replay`;
const foreignRange = { developerId: '{?}', since: SINCE };
ask(
  `GET ${WEBHOOKS}/{id}/deliveries`,
  'developer',
  `${WEBHOOKS}/{own webhook}/deliveries?developerId={?}`,
  200,
);
ask(`POST ${WEBHOOKS}/{id}/replay`, 'developer', ownReplay, 404, foreignRange);
ask(`POST ${WEBHOOKS}/{id}/replay`, 'developer', ownReplay, 400, { ...foreignRange, until: SINCE });
const ownShare = `${RECORDS}/{own record}/shares/{?}`;
ask(`DELETE ${RECORDS}/{id}/shares/{developerId}`, 'developer', ownShare, 204);

/** By spec/records-api.md, 403 for a record of another developer. */
const DOCUMENT = [`GET ${RECORDS}/{id}`, `PATCH ${RECORDS}/{id}`, `DELETE ${RECORDS}/{id}`];

it('every route that names anything, by its path, query or body, is asked', () => {
  // Without any name: the caller's own.
  const nameless = ['GET /api/v1/users/current.json', 'GET /api/v1/collections/pinned.json'];
  const open = [...scopes].filter(([, scope]) => scope !== undefined).map(([operation]) => operation);
  const asked = new Set([...cases.map(({ operation }) => operation), ...DOCUMENT, ...nameless]);
  expect([...asked].sort()).toEqual(open.sort());
});

async function answerTo(api: Api, { operation, path, body }: Case, id: string): Promise<Answer> {
  const [method] = operation.split(' ');
  const fill = (text: string) =>
    text.replace('{own webhook}', own.webhook).replace('{own record}', own.record).replace('{?}', id);
  const isText = typeof body === 'string';
  return api.request(method, fill(path), {
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : isText ? body : fill(JSON.stringify(body)),
  });
}

/** Headers that differ between two answers to the same request. */
const HEADERS_OF_ANY = ['date', 'x-request-id', 'content-length', 'ratelimit'];

/** All that a client sees, with `{?}` for the id that it named. */
function visible({ status, headers, body }: Answer, id: string) {
  const names = [...headers].filter(([name]) => !HEADERS_OF_ANY.includes(name));
  return { status, headers: names, body: JSON.stringify(body).replaceAll(id, '{?}') };
}

it.each(
  cases.map((one) => [`${one.operation}: ${one.path} ${JSON.stringify(one.body) ?? ''}`, one] as const),
)('%s answers the same for a foreign and for an unknown id', async (_name, one) => {
  for (const [name, api] of Object.entries(callers)) {
    const of = async (id: string) => ({ name, ...visible(await answerTo(api, one, id), id) });
    const answer = await of(foreign[one.kind]);
    expect(answer).toEqual(await of(UNKNOWN[one.kind]));
    if (name === 'a developer') expect(answer.status).toBe(one.status);
  }
});

it.each(DOCUMENT)(
  '%s answers 403 for a foreign record, as the document asks, 404 for an unknown one',
  async (operation) => {
    const body = operation.startsWith('PATCH') ? { data: {} } : undefined;
    const one: Case = { operation, kind: 'record', path: `${RECORDS}/{?}`, body, status: 403 };
    for (const api of Object.values(callers)) {
      expectError(await answerTo(api, one, foreign.record), 403, 'forbidden', foreign.record);
      expectError(await answerTo(api, one, UNKNOWN.record), 404, 'not_found', UNKNOWN.record);
    }
  },
);

it('a share tells its owner that there is no such developer: it would go nowhere', async () => {
  const share = (developerId: string) =>
    callers['a developer'].put(`${RECORDS}/${own.record}/shares/${developerId}`);
  expectError(await share(UNKNOWN.developer), 404, 'not_found', UNKNOWN.developer);
  expect((await share(OWNER)).status).toBe(204);
});

it('nothing of the owner has changed', async () => {
  const { admin } = app;
  expect((await admin.get(`${WEBHOOKS}/${foreign.webhook}`)).body).toMatchObject({ active: true });
  expect((await admin.get(`${RECORDS}/${foreign.record}/shares`)).body.total).toBe(0);
  expect((await admin.get(`/api/v1/api-keys?developerId=${OWNER}`)).body.total).toBe(1);
  expect((await admin.get(`/api/v1/grants?developerId=${OWNER}`)).body.total).toBe(1);
  expect((await admin.get(`${RECORDS}?developerId=${OWNER}`)).body.total).toBe(1);
  // The one test of the set-up.
  expect(receiver.received).toHaveLength(1);
});
