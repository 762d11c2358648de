import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Api, RECORDS } from './support/api.js';
import { type Client, createClient as createApplication } from './support/api-clients.js';
import { apiOperations } from './support/documented.js';
import { expectErrorBody } from './support/errors.js';
import { getTokens, PASSWORD, setPassword } from './support/oauth.js';
import { startApp, type TestApp } from './support/server.js';

const KEYS = '/api/v1/api-keys';
const CLIENTS = '/api/v1/api-clients';
const WEBHOOKS = '/api/v1/webhooks';
const ISSUER = { JWT_ISSUER: 'https://issuer.example', JWT_AUDIENCE: 'tidemark' };
const SCOPES = ['sync:read', 'sync:write'];
/** Nobody listens there. */
const RECEIVER = 'http://127.0.0.1:9/';

/** Every kind of credential: what it may do, and for whom. All that is asked for belongs to the developer `owner`. */
interface Credential {
  /** Undefined: it is not valid. */
  scopes?: string[];
  /** Undefined: it belongs to no developer. */
  developer?: string;
  /** It belongs to an application. */
  isOfClient?: boolean;
}
const CREDENTIALS = {
  none: {},
  garbage: {},
  'expired key': {},
  'revoked key': {},
  'key of a deleted client': {},
  'expired token': {},
  'token of another issuer': {},
  'read-only key': { scopes: ['sync:read'], developer: 'owner' },
  'write-only key': { scopes: ['sync:write'], developer: 'owner' },
  key: { scopes: SCOPES, developer: 'owner' },
  "other developer's key": { scopes: SCOPES, developer: 'other' },
  "client's key": { scopes: SCOPES, developer: 'owner', isOfClient: true },
  "other client's key": { scopes: SCOPES, developer: 'owner', isOfClient: true },
  "client's key that lost a scope": { scopes: ['sync:read'], developer: 'owner', isOfClient: true },
  'read-only token': { scopes: ['sync:read'], developer: 'owner' },
  token: { scopes: SCOPES, developer: 'owner' },
  "external application's token": { scopes: SCOPES, developer: 'owner', isOfClient: true },
  'read-only grant': { scopes: ['sync:read'], developer: 'owner', isOfClient: true },
  grant: { scopes: SCOPES, developer: 'owner', isOfClient: true },
  'withdrawn grant': {},
  "other developer's token": { scopes: SCOPES, developer: 'other' },
  "developer's admin key": { scopes: ['sync:admin'], developer: 'root' },
  'admin key': { scopes: ['sync:admin'] },
} satisfies Record<string, Credential>;
type Kind = keyof typeof CREDENTIALS;
const KINDS = Object.keys(CREDENTIALS) as Kind[];

interface Route {
  /** The scope that it needs; undefined: it is for everybody. */
  scope?: string;
  /** The status for those who may. */
  ok: number;
  /** For the credential of a developer whom it does not concern, admins aside: 403 unless said otherwise. */
  stranger?: number;
  /** For the credential of an application: what its developer gets unless said otherwise. */
  client?: number;
  /** For the admin key of the settings, and that of another developer: `ok` unless said otherwise. */
  admin?: { operator?: number; developer?: number };
  /** The URL, with all that it needs made anew, and the body. */
  request: () => Promise<{ url: string; body?: unknown }>;
}

const of = (url: string, body?: unknown) => () => Promise.resolve({ url, body });
const record =
  (path = '', body?: unknown) =>
  async () => ({
    url: `${RECORDS}/${await createRecord()}${path}`,
    body,
  });
/** A key that holds no more than the least of those who may rotate it. */
const key =
  (path = '', body?: unknown) =>
  async () => ({
    url: `${KEYS}/${(await createKey('owner', ['sync:write'])).id}${path}`,
    body,
  });
const client =
  (path = '', body?: unknown) =>
  async () => ({
    url: `${CLIENTS}/${(await createClient()).id}${path}`,
    body,
  });
/** A webhook of a new client, which the developer `owner` lets read. An application manages its own, and these are not. */
const webhook = (method: string, path: string, scope: string, ok: number, rest = '', body?: unknown) => ({
  [`${method} ${WEBHOOKS}/{id}${path}`]: {
    scope,
    ok,
    stranger: 404,
    client: 404,
    request: async () => ({ url: `${WEBHOOKS}/${await createWebhook()}${rest}`, body }),
  },
});
const delivery = (method: string, path: string, scope: string, ok: number): Record<string, Route> => ({
  [`${method} ${WEBHOOKS}/{id}/deliveries/{deliveryId}${path}`]: {
    scope,
    ok,
    stranger: 404,
    client: 404,
    request: async () => {
      const id = await createWebhook();
      return { url: `${WEBHOOKS}/${id}/deliveries/${await createDelivery(id)}${path}` };
    },
  },
});

/** What each route answers to whom. A new route gets its line here. */
const ROUTES: Record<string, Route> = {
  'GET /health/live': { ok: 200, request: of('/health/live') },
  'GET /health/ready': { ok: 200, request: of('/health/ready') },

  [`GET ${RECORDS}`]: { scope: 'sync:read', ok: 200, request: of(`${RECORDS}?developerId=owner`) },
  [`POST ${RECORDS}`]: {
    scope: 'sync:write',
    ok: 201,
    request: () => Promise.resolve({ url: RECORDS, body: recordInput() }),
  },
  [`GET ${RECORDS}/{id}`]: { scope: 'sync:read', ok: 200, request: record() },
  [`PATCH ${RECORDS}/{id}`]: { scope: 'sync:write', ok: 200, request: record('', { status: 'ERROR' }) },
  [`DELETE ${RECORDS}/{id}`]: { scope: 'sync:write', ok: 204, request: record() },
  [`GET ${RECORDS}/{id}/shares`]: { scope: 'sync:read', ok: 200, stranger: 404, request: record('/shares') },
  [`PUT ${RECORDS}/{id}/shares/{developerId}`]: {
    scope: 'sync:write',
    ok: 204,
    stranger: 404,
    request: record('/shares/third'),
  },
  [`DELETE ${RECORDS}/{id}/shares/{developerId}`]: {
    scope: 'sync:write',
    ok: 204,
    stranger: 404,
    request: record('/shares/third'),
  },
  // One pins for oneself, and an admin, too, only what it may read as a developer.
  [`PUT ${RECORDS}/{id}/pin`]: {
    scope: 'sync:write',
    ok: 204,
    stranger: 404,
    admin: { operator: 403, developer: 404 },
    request: record('/pin'),
  },
  [`DELETE ${RECORDS}/{id}/pin`]: {
    scope: 'sync:write',
    ok: 204,
    stranger: 404,
    admin: { operator: 403, developer: 404 },
    request: record('/pin'),
  },
  'GET /api/v1/collections.json': {
    scope: 'sync:read',
    ok: 200,
    request: of('/api/v1/collections.json?developerId=owner'),
  },
  'GET /api/v1/collections/{collection_id}.json': {
    scope: 'sync:read',
    ok: 200,
    stranger: 404,
    request: async () => ({ url: `/api/v1/collections/${(await createItem()).item_user_id}.json` }),
  },
  'GET /api/v1/collections/pinned.json': {
    scope: 'sync:read',
    ok: 200,
    stranger: 200,
    admin: { operator: 403 },
    request: of('/api/v1/collections/pinned.json'),
  },
  'GET /api/v1/{assets}.json': {
    scope: 'sync:read',
    ok: 200,
    request: of('/api/v1/routes.json?developerId=owner'),
  },
  'GET /api/v1/{assets}/{item_id}.json': {
    scope: 'sync:read',
    ok: 200,
    stranger: 404,
    request: async () => ({ url: (await createItem()).item_url }),
  },
  'GET /api/v1/sync.json': {
    scope: 'sync:read',
    ok: 200,
    request: of('/api/v1/sync.json?since=1970-01-01T00:00:00Z&developerId=owner'),
  },

  'GET /api/v1/users/current.json': {
    scope: 'sync:read',
    ok: 200,
    stranger: 200,
    admin: { operator: 403 },
    request: of('/api/v1/users/current.json'),
  },
  'PUT /api/v1/developers/{developerId}': {
    scope: 'sync:admin',
    ok: 200,
    request: of('/api/v1/developers/owner', { name: 'Owner' }),
  },
  'DELETE /api/v1/developers/{developerId}': {
    scope: 'sync:admin',
    ok: 204,
    request: async () => {
      await createKey('to-erase', ['sync:read']);
      return { url: '/api/v1/developers/to-erase' };
    },
  },
  'GET /api/v1/audit-log': { scope: 'sync:admin', ok: 200, request: of('/api/v1/audit-log') },

  'PUT /api/v1/developers/{developerId}/password': {
    scope: 'sync:admin',
    ok: 204,
    request: of('/api/v1/developers/third/password', { password: PASSWORD }),
  },
  'POST /api/v1/developers/{developerId}/invites': {
    scope: 'sync:admin',
    ok: 201,
    request: of('/api/v1/developers/third/invites', {}),
  },
  'POST /api/v1/oauth/signing-keys': {
    scope: 'sync:admin',
    ok: 201,
    request: of('/api/v1/oauth/signing-keys', {}),
  },
  'GET /api/v1/grants': {
    scope: 'sync:read',
    ok: 200,
    client: 403,
    request: of('/api/v1/grants?developerId=owner'),
  },
  'DELETE /api/v1/grants/{id}': {
    scope: 'sync:write',
    ok: 204,
    stranger: 404,
    client: 403,
    request: async () => ({ url: `/api/v1/grants/${decodeJwt(await grant(SCOPES)).grant}` }),
  },

  [`POST ${KEYS}`]: {
    scope: 'sync:admin',
    ok: 201,
    request: of(KEYS, { developerId: 'owner', scopes: ['sync:read'] }),
  },
  [`GET ${KEYS}`]: { scope: 'sync:read', ok: 200, client: 403, request: of(`${KEYS}?developerId=owner`) },
  [`POST ${KEYS}/{id}/rotate`]: {
    scope: 'sync:write',
    ok: 201,
    stranger: 404,
    client: 403,
    request: key('/rotate', {}),
  },
  [`DELETE ${KEYS}/{id}`]: { scope: 'sync:write', ok: 204, stranger: 404, client: 403, request: key() },

  [`POST ${CLIENTS}`]: {
    scope: 'sync:admin',
    ok: 201,
    request: of(CLIENTS, { name: 'app', developerId: 'owner', scopes: ['sync:read'] }),
  },
  [`GET ${CLIENTS}`]: { scope: 'sync:admin', ok: 200, request: of(CLIENTS) },
  [`GET ${CLIENTS}/{id}`]: { scope: 'sync:admin', ok: 200, request: client() },
  [`PATCH ${CLIENTS}/{id}`]: { scope: 'sync:admin', ok: 200, request: client('', { name: 'renamed' }) },
  [`DELETE ${CLIENTS}/{id}`]: { scope: 'sync:admin', ok: 204, request: client() },
  [`POST ${CLIENTS}/{id}/secret`]: { scope: 'sync:admin', ok: 201, request: client('/secret', {}) },

  [`GET ${WEBHOOKS}`]: { scope: 'sync:read', ok: 200, stranger: 200, request: of(WEBHOOKS) },
  [`POST ${WEBHOOKS}`]: {
    scope: 'sync:write',
    ok: 201,
    stranger: 404,
    client: 404,
    request: async () => ({ url: WEBHOOKS, body: { clientId: (await createClient()).id, url: RECEIVER } }),
  },
  ...webhook('GET', '', 'sync:read', 200),
  ...webhook('PATCH', '', 'sync:write', 200, '', { active: false }),
  ...webhook('DELETE', '', 'sync:write', 204),
  ...webhook('POST', '/secret', 'sync:write', 201, '/secret', {}),
  ...webhook('POST', '/test', 'sync:write', 200, '/test'),
  ...webhook('POST', '/replay', 'sync:write', 202, '/replay', {
    developerId: 'owner',
    since: '1970-01-01T00:00:00Z',
  }),
  ...webhook('GET', '/deliveries', 'sync:read', 200, '/deliveries'),
  ...delivery('GET', '', 'sync:read', 200),
  ...delivery('POST', '/replay', 'sync:write', 202),
};

let app: TestApp;
let application: Client;
/** The JWKS of the issuer. */
const jwks = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk] })));
let jwk: unknown;
let callers: Record<Kind, Api>;
/** `GET /path/{parameter}` and what the OpenAPI document says of it. */
let operations: Map<string, { security?: unknown[]; responses: Record<string, unknown> }>;

beforeAll(async () => {
  const [issuer, stranger] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')]);
  jwk = await exportJWK(issuer.publicKey);
  await new Promise<void>((resolve) => jwks.listen(0, '127.0.0.1', resolve));
  const { port } = jwks.address() as AddressInfo;
  app = await startApp({
    ...ISSUER,
    JWT_JWKS_URL: `http://127.0.0.1:${port}/jwks.json`,
    WEBHOOK_ALLOW_PRIVATE: 'true',
  });

  operations = apiOperations((await app.admin.get('/docs-json')).body);

  const token = (scope: string[], sub = 'owner', expires = '1h', { privateKey } = issuer, claims = {}) =>
    new SignJWT({ scope: scope.join(' '), ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
      .setIssuer(ISSUER.JWT_ISSUER)
      .setAudience(ISSUER.JWT_AUDIENCE)
      .setSubject(sub)
      .setExpirationTime(expires)
      .sign(privateKey);
  const createKeyOfClient = async () => {
    const { id } = await createClient();
    return { ...(await createKey('owner', SCOPES, id)), clientId: id };
  };
  const [expired, revoked] = [await createKey('owner', SCOPES), await createKey('owner', SCOPES)];
  await app.dataSource.query('UPDATE api_keys SET expires_at = now() WHERE id = $1', [expired.id]);
  await app.admin.delete(`${KEYS}/${revoked.id}`);
  const orphan = await createKeyOfClient();
  await app.admin.delete(`${CLIENTS}/${orphan.clientId}`);
  const reduced = await createKeyOfClient();
  await app.admin.patch(`${CLIENTS}/${reduced.clientId}`, { scopes: ['sync:read'] });
  await createKey('third', ['sync:read']);
  await setPassword(app.admin, 'owner');
  application = await createApplication(app.admin);
  const withdrawn = await grant(SCOPES);
  await app.admin.delete(`/api/v1/grants/${decodeJwt(withdrawn).grant}`);

  const credentials: Record<Kind, string | undefined> = {
    none: undefined,
    garbage: 'garbage',
    'expired key': expired.key,
    'revoked key': revoked.key,
    'key of a deleted client': orphan.key,
    'expired token': await token(SCOPES, 'owner', '-1h'),
    'token of another issuer': await token(SCOPES, 'owner', '1h', stranger),
    'read-only key': (await createKey('owner', ['sync:read'])).key,
    'write-only key': (await createKey('owner', ['sync:write'])).key,
    key: (await createKey('owner', SCOPES)).key,
    "other developer's key": (await createKey('other', SCOPES)).key,
    "client's key": (await createKeyOfClient()).key,
    "other client's key": (await createKeyOfClient()).key,
    "client's key that lost a scope": reduced.key,
    'read-only token': await token(['sync:read']),
    token: await token(SCOPES),
    "external application's token": await token(SCOPES, 'owner', '1h', issuer, { client_id: 'app' }),
    'read-only grant': await grant(['sync:read']),
    grant: await grant(SCOPES),
    'withdrawn grant': withdrawn,
    "other developer's token": await token(SCOPES, 'other'),
    "developer's admin key": (await createKey('root', ['sync:admin'])).key,
    'admin key': app.admin.key,
  };
  callers = Object.fromEntries(
    KINDS.map((kind) => [kind, new Api(app.url, credentials[kind])]),
  ) as typeof callers;
});
afterAll(async () => {
  await app.close();
  await new Promise((resolve) => jwks.close(resolve));
});

/** An access token that the developer has granted an application. */
const grant = async (scopes: string[]) =>
  (await getTokens(app.url, application, 'owner', { scope: scopes.join(' ') })).access_token;

let records = 0;
const recordInput = () => ({
  developerId: 'owner',
  resourceType: 'ROUTE',
  resourceKey: `r-${++records}`,
  data: {},
});

const createRecord = async (): Promise<string> => (await app.admin.create(recordInput())).id;

async function createItem(): Promise<{ item_user_id: number; item_url: string }> {
  await createRecord();
  return (await app.admin.sync({ since: '1970-01-01', developerId: 'owner' })).body.items.at(-1);
}

async function createKey(developerId: string, scopes: string[], clientId?: string) {
  const { body } = await app.admin.post(KEYS, { developerId, scopes, clientId });
  return body as { id: string; key: string };
}

async function createClient() {
  const { body } = await app.admin.post(CLIENTS, { developerId: 'owner', name: 'app', scopes: SCOPES });
  return body as { id: string };
}

async function createWebhook(): Promise<string> {
  const { id: clientId } = await createClient();
  await createKey('owner', ['sync:read'], clientId);
  return (await app.admin.post(WEBHOOKS, { clientId, url: RECEIVER })).body.id;
}

async function createDelivery(endpointId: string): Promise<string> {
  const [{ id }] = await app.dataSource.query(
    `INSERT INTO webhook_deliveries
       (id, endpoint_id, user_id, kind, since, until, notifications, status, created_at)
     SELECT gen_random_uuid(), $1, user_id, 'change', '1970-01-01', now(), 1, 'delivered', now()
     FROM developers WHERE developer_id = 'owner'
     RETURNING id`,
    [endpointId],
  );
  return id;
}

function expectedOf({ scope, ok, stranger = 403, client = ok, admin = {} }: Route, kind: Kind) {
  const { scopes, developer, isOfClient }: Credential = CREDENTIALS[kind];
  if (scope === undefined) return { status: ok };
  if (!scopes) return { status: 401, code: kind === 'none' ? 'authentication_required' : 'invalid_token' };
  if (scopes.includes('sync:admin')) {
    return { status: (developer === undefined ? admin.operator : admin.developer) ?? ok };
  }
  if (!scopes.includes(scope)) return { status: 403, code: 'insufficient_scope' };
  if (developer !== 'owner') return { status: stranger };
  return { status: isOfClient ? client : ok };
}

it('every route of the OpenAPI document is here, and no other', () => {
  expect(Object.keys(ROUTES).sort()).toEqual([...operations.keys()].sort());
});

it.each(Object.entries(ROUTES))('%s says who may call it', (name, { scope }) => {
  const { security, responses } = operations.get(name)!;
  const isGranted = scope !== undefined && scope !== 'sync:admin';
  const granted = isGranted ? [{ oauth2: [scope] }] : [];
  expect(security).toEqual(scope === undefined ? [] : [{ bearer: [] }, ...granted]);
  const refusals = Object.keys(responses).filter((status) => /^40[13]$/.test(status));
  expect(refusals).toEqual(scope === undefined ? [] : ['401', '403']);
});

it.each(Object.entries(ROUTES))('%s lets in whom it should, and nobody else', async (name, route) => {
  const [method] = name.split(' ');
  const actual: Record<string, unknown> = {};
  const expected: Record<string, unknown> = {};
  let request: Awaited<ReturnType<Route['request']>> | undefined;
  for (const kind of KINDS) {
    const { url, body } = (request ??= await route.request());
    const answer = await callers[kind].request(method, url, {
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const { status, code } = expectedOf(route, kind);
    const isRefused = answer.status >= 400;
    if (isRefused) expectErrorBody(answer.body);
    // A refused request leaves everything as it was, so the next one can ask for the same.
    else if (method !== 'GET') request = undefined;
    expected[kind] = { status, code };
    actual[kind] = { status: answer.status, code: code === undefined ? undefined : answer.body.code };
    expect(Object.keys(operations.get(name)!.responses)).toContain(String(answer.status));
  }
  expect(actual).toEqual(expected);
});
