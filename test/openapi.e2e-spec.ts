import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { readFileSync } from 'node:fs';
import { type Answer, Api, RECORDS } from './support/api.js';
import { isOAuthPath } from './support/documented.js';
import { startApp, type TestApp } from './support/server.js';

/** The statuses of every route: those of the error tables of both documents, and what goes beyond them. */
const ROUTES = {
  'get /health/live': [200],
  'get /health/ready': [200, 500, 503],
  'post /api/v1/api-clients': [201, 400, 401, 403, 413, 415, 429, 500, 503],
  'get /api/v1/api-clients': [200, 400, 401, 403, 429, 500, 503],
  'get /api/v1/api-clients/{id}': [200, 400, 401, 403, 404, 429, 500, 503],
  'patch /api/v1/api-clients/{id}': [200, 400, 401, 403, 404, 413, 415, 429, 500, 503],
  'delete /api/v1/api-clients/{id}': [204, 400, 401, 403, 404, 429, 500, 503],
  'post /api/v1/api-clients/{id}/secret': [201, 400, 401, 403, 404, 413, 415, 429, 500, 503],
  'post /api/v1/api-keys': [201, 400, 401, 403, 413, 415, 429, 500, 503],
  'get /api/v1/api-keys': [200, 400, 401, 403, 429, 500, 503],
  'post /api/v1/api-keys/{id}/rotate': [201, 400, 401, 403, 404, 409, 413, 415, 429, 500, 503],
  'delete /api/v1/api-keys/{id}': [204, 400, 401, 403, 404, 429, 500, 503],
  'get /api/v1/users/current.json': [200, 400, 401, 403, 429, 500, 503],
  'put /api/v1/developers/{developerId}': [200, 400, 401, 403, 413, 415, 429, 500, 503],
  'delete /api/v1/developers/{developerId}': [204, 400, 401, 403, 404, 409, 429, 500, 503],
  'get /api/v1/audit-log': [200, 400, 401, 403, 429, 500, 503],
  'get /api/v1/grants': [200, 400, 401, 403, 429, 500, 503],
  'delete /api/v1/grants/{id}': [204, 400, 401, 403, 404, 429, 500, 503],
  'put /api/v1/developers/{developerId}/password': [204, 400, 401, 403, 413, 415, 429, 500, 503],
  'post /api/v1/developers/{developerId}/invites': [201, 400, 401, 403, 413, 415, 429, 500, 503],
  'post /api/v1/oauth/signing-keys': [201, 400, 401, 403, 413, 415, 429, 500, 503],
  'post /api/v1/webhooks': [201, 400, 401, 403, 404, 409, 413, 415, 429, 500, 503],
  'get /api/v1/webhooks': [200, 400, 401, 403, 429, 500, 503],
  'get /api/v1/webhooks/{id}': [200, 400, 401, 403, 404, 429, 500, 503],
  'patch /api/v1/webhooks/{id}': [200, 400, 401, 403, 404, 413, 415, 429, 500, 503],
  'delete /api/v1/webhooks/{id}': [204, 400, 401, 403, 404, 429, 500, 503],
  'post /api/v1/webhooks/{id}/secret': [201, 400, 401, 403, 404, 413, 415, 429, 500, 503],
  'post /api/v1/webhooks/{id}/test': [200, 400, 401, 403, 404, 429, 500, 503],
  'get /api/v1/webhooks/{id}/deliveries': [200, 400, 401, 403, 404, 429, 500, 503],
  'get /api/v1/webhooks/{id}/deliveries/{deliveryId}': [200, 400, 401, 403, 404, 429, 500, 503],
  'post /api/v1/webhooks/{id}/deliveries/{deliveryId}/replay': [202, 400, 401, 403, 404, 409, 429, 500, 503],
  'post /api/v1/webhooks/{id}/replay': [202, 400, 401, 403, 404, 409, 413, 415, 429, 500, 503],
  'get /api/v1/sync/records': [200, 400, 401, 403, 429, 500, 503],
  'post /api/v1/sync/records': [201, 400, 401, 403, 409, 413, 415, 429, 500, 503],
  'get /api/v1/sync/records/{id}': [200, 304, 400, 401, 403, 404, 429, 500, 503],
  'patch /api/v1/sync/records/{id}': [200, 400, 401, 403, 404, 412, 413, 415, 429, 500, 503],
  'delete /api/v1/sync/records/{id}': [204, 400, 401, 403, 404, 412, 429, 500, 503],
  'get /api/v1/sync/records/{id}/shares': [200, 400, 401, 403, 404, 429, 500, 503],
  'put /api/v1/sync/records/{id}/shares/{developerId}': [204, 400, 401, 403, 404, 429, 500, 503],
  'delete /api/v1/sync/records/{id}/shares/{developerId}': [204, 400, 401, 403, 404, 429, 500, 503],
  'put /api/v1/sync/records/{id}/pin': [204, 400, 401, 403, 404, 429, 500, 503],
  'delete /api/v1/sync/records/{id}/pin': [204, 400, 401, 403, 404, 429, 500, 503],
  'get /api/v1/collections.json': [200, 400, 401, 403, 404, 429, 500, 503],
  'get /api/v1/collections/{collection_id}.json': [200, 400, 401, 403, 404, 429, 500, 503],
  'get /api/v1/collections/pinned.json': [200, 400, 401, 403, 429, 500, 503],
  'get /api/v1/{assets}.json': [200, 400, 401, 403, 404, 429, 500, 503],
  'get /api/v1/{assets}/{item_id}.json': [200, 400, 401, 403, 404, 429, 500, 503],
  'get /api/v1/sync.json': [200, 304, 400, 401, 403, 404, 410, 422, 429, 500, 503],
  'get /oauth/authorize': [303, 400, 429, 500, 503],
  'post /oauth/token': [200, 400, 401, 500, 503],
  'post /oauth/revoke': [200, 400, 401, 500, 503],
  'post /oauth/introspect': [200, 400, 401, 500, 503],
  'get /oauth/userinfo': [200, 401, 403, 500, 503],
  'get /oauth/jwks': [200, 500, 503],
  'get /.well-known/oauth-authorization-server': [200, 500, 503],
  'get /.well-known/openid-configuration': [200, 500, 503],
};
type Route = keyof typeof ROUTES;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- parsed, and read at many depths
type Json = any;

let app: TestApp;
/** What the server shows. */
let document: Json;

beforeAll(async () => {
  app = await startApp({ BODY_LIMIT: '4096' });
  document = (await app.admin.get('/docs-json')).body;
});
afterAll(() => app.close());

const operationOf = (route: string) => {
  const [method, path] = route.split(' ');
  return document.paths[path][method];
};
const isOAuth = (route: string) => isOAuthPath(route.split(' ')[1]);
const jsonOf = (holder: { content: Record<string, unknown> }): Json => holder.content['application/json'];
const valuesOf = (media: { examples?: Record<string, { value: unknown }> }) =>
  Object.values(media.examples ?? {}).map(({ value }) => value);
const schemasOf = (): [string, Json][] => Object.entries(document.components.schemas);

/** What a schema's own examples add up to, as the page at /docs shows it. */
const sample = (name: string): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries<Json>(document.components.schemas[name].properties).map(([member, schema]) => [
      member,
      schema.items?.$ref ? [sample(schema.items.$ref.split('/').at(-1))] : schema.example,
    ]),
  );

/** What `security` has to be, but for the scope, which is one that applications can have. */
function securityOf(route: string, security: Json[]): unknown[] {
  if (/^post \/oauth\//.test(route)) return [{ client_secret: [] }, {}];
  if (route === 'get /oauth/userinfo') return [{ bearer: [] }];
  if (isOAuth(route) || route.includes('/health/')) return [];
  const hasScope = security.some(({ oauth2 }) => oauth2 !== undefined);
  return [{ bearer: [] }, ...(hasScope ? [{ oauth2: [expect.stringMatching(/^sync:(read|write)$/)] }] : [])];
}

describe('the document', () => {
  it('is the committed openapi.json (npm run openapi)', () => {
    expect(readFileSync('openapi.json', 'utf8')).toBe(`${JSON.stringify(document, null, 2)}\n`);
  });

  it('is valid OpenAPI 3 without anything to find for a linter, examples included', async () => {
    const config = await createConfig({
      extends: ['recommended'],
      rules: {
        'no-invalid-media-type-examples': 'error',
        'no-invalid-parameter-examples': 'error',
        'no-invalid-schema-examples': 'error',
        // The document prescribes /api/v1/routes/217.json. `api-keys` is no type of item, so nothing is ambiguous.
        'no-ambiguous-paths': 'off',
        // The authorization endpoint redirects. The statuses of all routes are listed above.
        'operation-2xx-response': 'off',
        // Health probes and public documents take no input and need no credential: no mistake can be made.
        'operation-4xx-response': 'off',
      },
    });
    const problems = await lintFromString({ source: JSON.stringify(document), config });
    expect(problems.map(({ ruleId, message, location }) => [ruleId, message, location[0].pointer])).toEqual(
      [],
    );
  });

  it('has every route, and with each its statuses', () => {
    const found = Object.entries<Record<string, Json>>(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { responses }]) => [
        `${method} ${path}`,
        Object.keys(responses).map(Number),
      ]),
    );
    expect(Object.fromEntries(found)).toEqual(ROUTES);
  });

  it.each(Object.keys(ROUTES))('explains %s', (route) => {
    const { summary, tags, security, parameters, requestBody, responses } = operationOf(route);
    expect(summary).toMatch(/\S/);
    expect(document.tags).toEqual(expect.arrayContaining([expect.objectContaining({ name: tags[0] })]));
    expect(security).toEqual(securityOf(route, security));
    for (const parameter of parameters) {
      expect(parameter).toEqual(
        expect.objectContaining({ description: expect.stringMatching(/\S/), schema: expect.anything() }),
      );
    }
    for (const { in: place, name, example, schema } of parameters) {
      if (place === 'path') expect([name, example ?? schema.example]).toEqual([name, expect.anything()]);
    }
    for (const { schema } of Object.values<Json>(requestBody?.content ?? {}))
      expect(schema).toEqual({ $ref: expect.any(String) });
    for (const [status, response] of Object.entries<Json>(responses)) {
      expect([status, response.description]).toEqual([status, expect.stringMatching(/\S/)]);
      if (Number(status) < 400 || 'text/html' in response.content) continue;
      const body = isOAuth(route) ? 'OAuthErrorBody' : 'ErrorBody';
      expect(jsonOf(response).schema).toEqual({ $ref: `#/components/schemas/${body}` });
      expect(valuesOf(jsonOf(response))).not.toEqual([]);
    }
  });

  it('explains every member of every body, and shows an example of it', () => {
    const unexplained = schemasOf().flatMap(([name, { properties }]) =>
      Object.entries<Json>(properties)
        .filter(
          ([, { description, example, items, $ref, allOf, enum: values }]) =>
            !description || [example, items, $ref, allOf, values].every((shown) => shown === undefined),
        )
        .map(([member]) => `${name}.${member}`),
    );
    expect(unexplained).toEqual([]);
  });
});

describe('the examples of the contract', () => {
  const requests = (route: Route) => valuesOf(jsonOf(operationOf(route).requestBody));
  const answers = (route: Route, status: number) => valuesOf(jsonOf(operationOf(route).responses[status]));
  it('are the request bodies of POST and PATCH', () => {
    expect(requests('post /api/v1/sync/records')).toContainEqual({
      developerId: 'dev-789',
      resourceType: 'FEATURE_FLAG_STATE',
      resourceKey: 'flag-migration-v2',
      data: {
        enabled: false,
        lastToggle: '2025-12-01T11:00:00Z',
        notes: 'Initial state for migration flag.',
      },
    });
    expect(requests('patch /api/v1/sync/records/{id}')).toContainEqual({
      data: { enabled: true, lastToggle: '2025-12-01T12:00:00Z' },
      status: 'PENDING_SYNC_CONFIRMATION',
    });
  });

  it('are the page of records', () => {
    expect(sample('RecordPageBody')).toEqual({
      total: 150,
      page: 1,
      limit: 50,
      data: [
        {
          id: expect.any(String),
          developerId: 'dev-456',
          resourceType: 'PROJECT_CONFIG',
          resourceKey: 'my-backend-service',
          data: expect.any(Object),
          lastSyncedAt: '2025-12-01T10:00:00.000Z',
          status: 'ACTIVE',
          createdAt: '2025-01-15T09:00:00.000Z',
          updatedAt: '2025-12-01T10:00:00.000Z',
          metadata: {},
        },
      ],
    });
  });

  it('are the answer of a sync, oldest first', () => {
    const [{ items, meta }] = answers('get /api/v1/sync.json', 200) as Json[];
    expect(items.map((item: Json) => [item.item_type, item.item_id, item.item_user_id, item.action])).toEqual(
      [
        ['route', 217, 2, 'added'],
        ['route', 218, 1, 'updated'],
        ['route', 156, 1, 'deleted'],
        ['trip', 738, 1, 'created'],
      ],
    );
    const datetimes = items.map((item: Json) => item.datetime);
    expect(datetimes).toEqual([...datetimes].sort());
    expect(items[0].collection).toMatchObject({ id: 1, type: 'pinned', name: 'pinned' });
    expect(meta).toMatchObject({ rwgps_datetime: meta.date_range.until, item_count: 4 });
    expect(new URL(meta.next_sync_url).searchParams.get('since')).toBe(meta.rwgps_datetime);
  });

  it('are the errors of a sync', () => {
    expect(answers('get /api/v1/sync.json', 400)).toContainEqual({
      error: 'Invalid since parameter format',
      details: 'Expected ISO8601 datetime format (e.g., 2024-09-01T00:00:00Z)',
      code: 'invalid_since',
    });
    const others = [401, 422, 500].flatMap((status) => answers('get /api/v1/sync.json', status));
    expect(others.map((body: Json) => body.error)).toEqual(
      expect.arrayContaining([
        'Authentication required',
        'Missing required parameter: since',
        'Internal server error',
      ]),
    );
  });
});

describe('what the server answers is what the document says:', () => {
  let dev: Api;
  let ajv: Ajv2020;

  beforeAll(async () => {
    dev = await app.developer('dev-789');
    ajv = new Ajv2020({ strict: false, allErrors: true });
    formats.default(ajv);
    const closed = structuredClone(document);
    // A member that the document does not have is a mistake in the document.
    for (const schema of Object.values<Json>(closed.components.schemas)) schema.additionalProperties = false;
    ajv.addSchema(closed, 'openapi.json');
  });

  /** The status, the body and the headers of an answer are documented. */
  function expectDocumented(route: Route, { status, headers, body }: Answer, expected: number) {
    expect(status).toBe(expected);
    const pointer = `/paths/${encodeURIComponent(route.split(' ')[1].replaceAll('~', '~0').replaceAll('/', '~1'))}`;
    const response = operationOf(route).responses[status];
    for (const name of Object.keys(response.headers ?? {})) {
      // 403 has one only when a scope is missing.
      if (status !== 403) expect([name, headers.get(name)]).toEqual([name, expect.stringMatching(/\S/)]);
    }
    if (!response.content) return expect(body).toBe('');
    const validate = ajv.compile({
      $ref: `openapi.json#${pointer}/${route.split(' ')[0]}/responses/${status}/content/application~1json/schema`,
    });
    validate(body);
    expect(validate.errors ?? []).toEqual([]);
  }

  it('records', async () => {
    const { POST, LIST, ONE, PATCH, DELETE } = {
      POST: 'post /api/v1/sync/records',
      LIST: 'get /api/v1/sync/records',
      ONE: 'get /api/v1/sync/records/{id}',
      PATCH: 'patch /api/v1/sync/records/{id}',
      DELETE: 'delete /api/v1/sync/records/{id}',
    } as const;
    let created!: Answer;
    for (const example of valuesOf(jsonOf(operationOf(POST).requestBody))) {
      created = await dev.post(RECORDS, example);
      expectDocumented(POST, created, 201);
      expectDocumented(POST, await dev.post(RECORDS, example), 409);
    }
    expectDocumented(POST, await dev.post(RECORDS, '{'), 400);
    expectDocumented(POST, await dev.post(RECORDS, { data: 'x'.repeat(5000) }), 413);
    expectDocumented(POST, await dev.post(RECORDS, 'x', { 'content-type': 'text/plain' }), 415);
    expectDocumented(LIST, await dev.get(RECORDS), 200);
    expectDocumented(LIST, await dev.get(`${RECORDS}?page=0`), 400);
    expectDocumented(LIST, await dev.get(`${RECORDS}?developerId=dev-1`), 403);

    const url = `${RECORDS}/${created.body.id}`;
    const stranger = await app.developer('dev-1');
    const nobody = new Api(app.url);
    const none = `${RECORDS}/0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d`;
    const ifNoneMatch = { 'If-None-Match': created.headers.get('etag')! };
    expectDocumented(ONE, await dev.get(url), 200);
    expectDocumented(ONE, await dev.get(url, ifNoneMatch), 304);
    expectDocumented(ONE, await dev.get(`${RECORDS}/x`), 400);
    expectDocumented(ONE, await nobody.get(url), 401);
    expectDocumented(ONE, await stranger.get(url), 403);
    expectDocumented(ONE, await dev.get(none), 404);
    for (const example of valuesOf(jsonOf(operationOf(PATCH).requestBody))) {
      expectDocumented(PATCH, await dev.patch(url, example), 200);
    }
    expectDocumented(PATCH, await dev.patch(url, { developerId: 'x' }), 400);
    expectDocumented(PATCH, await dev.patch(url, { data: {} }, { 'If-Match': '"x"' }), 412);
    expectDocumented(DELETE, await dev.delete(url, { 'If-Match': '"x"' }), 412);
    expectDocumented(DELETE, await dev.delete(url), 204);
    expectDocumented(DELETE, await dev.delete(url), 404);
  });

  it('the feed', async () => {
    const [SYNC, ITEM] = ['get /api/v1/sync.json', 'get /api/v1/{assets}/{item_id}.json'] as const;
    const route = await dev.create({
      developerId: 'dev-789',
      resourceType: 'ROUTE',
      resourceKey: '1',
      data: {},
    });
    const synced = await dev.sync({ since: '1970-01-01T00:00:00Z', assets: 'routes', limit: '1000' });
    expectDocumented(SYNC, synced, 200);
    const ifNoneMatch = { 'If-None-Match': synced.headers.get('etag')! };
    const again = await dev.get(
      '/api/v1/sync.json?since=1970-01-01T00:00:00Z&assets=routes&limit=1000',
      ifNoneMatch,
    );
    expectDocumented(SYNC, again, 304);
    expectDocumented(SYNC, await dev.sync({ since: 'yesterday' }), 400);
    expectDocumented(SYNC, await dev.sync({ since: '1970-01-01', developerId: 'dev-1' }), 403);
    expectDocumented(SYNC, await app.admin.sync({ since: '1970-01-01', developerId: 'dev-404' }), 404);
    expectDocumented(SYNC, await dev.sync({}), 422);
    expectDocumented(SYNC, await app.admin.sync({ since: '1970-01-01' }), 422);

    const { item_url } = synced.body.items.at(-1);
    const item = await dev.get(item_url);
    expectDocumented(ITEM, item, 200);
    expect(item.body.route.record_id).toBe(route.id);
    expectDocumented(ITEM, await dev.get('/api/v1/routes/0.json'), 404);
  });

  it('clients', async () => {
    const CLIENTS = '/api/v1/api-clients';
    const [POST, LIST, ONE, PATCH, DELETE, SECRET] = [
      'post /api/v1/api-clients',
      'get /api/v1/api-clients',
      'get /api/v1/api-clients/{id}',
      'patch /api/v1/api-clients/{id}',
      'delete /api/v1/api-clients/{id}',
      'post /api/v1/api-clients/{id}/secret',
    ] as const;
    const created = await app.admin.post(CLIENTS, sample('CreateApiClientDto'));
    const isPublic = await app.admin.post(CLIENTS, { ...sample('CreateApiClientDto'), public: true });
    expectDocumented(POST, created, 201);
    expectDocumented(POST, isPublic, 201);
    expectDocumented(POST, await app.admin.post(CLIENTS, {}), 400);
    expectDocumented(POST, await dev.post(CLIENTS, {}), 403);
    expectDocumented(POST, await app.admin.post(CLIENTS, { name: 'x'.repeat(5000) }), 413);
    expectDocumented(POST, await app.admin.post(CLIENTS, 'x', { 'content-type': 'text/plain' }), 415);
    expectDocumented(LIST, await app.admin.get(CLIENTS), 200);
    expectDocumented(LIST, await app.admin.get(`${CLIENTS}?page=0`), 400);
    const url = `${CLIENTS}/${created.body.id}`;
    expectDocumented(ONE, await app.admin.get(url), 200);
    expectDocumented(ONE, await app.admin.get(`${CLIENTS}/x`), 400);
    expectDocumented(PATCH, await app.admin.patch(url, sample('UpdateApiClientDto')), 200);
    expectDocumented(PATCH, await app.admin.patch(url, { defaultAssets: null }), 200);
    expectDocumented(PATCH, await app.admin.patch(url, { public: true }), 400);
    expectDocumented(SECRET, await app.admin.post(`${url}/secret`, sample('RotateDto')), 201);
    expectDocumented(SECRET, await app.admin.post(`${CLIENTS}/${isPublic.body.id}/secret`, {}), 400);
    expectDocumented(ONE, await app.admin.get(url), 200);
    expectDocumented(DELETE, await app.admin.delete(url), 204);
    expectDocumented(DELETE, await app.admin.delete(url), 404);
    expectDocumented(ONE, await app.admin.get(url), 404);
    expectDocumented(PATCH, await app.admin.patch(url, {}), 404);
    expectDocumented(SECRET, await app.admin.post(`${url}/secret`, {}), 404);
  });

  it('developers', async () => {
    const [CURRENT, PUT] = [
      'get /api/v1/users/current.json',
      'put /api/v1/developers/{developerId}',
    ] as const;
    const put = (body: unknown) =>
      app.admin.request('PUT', '/api/v1/developers/dev-789', {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expectDocumented(PUT, await put(sample('PutDeveloperDto')), 200);
    expectDocumented(PUT, await put({ name: null }), 200);
    expectDocumented(PUT, await put({}), 400);
    expectDocumented(CURRENT, await dev.get('/api/v1/users/current.json'), 200);
    expectDocumented(CURRENT, await app.admin.get('/api/v1/users/current.json'), 403);
  });

  it('webhooks', async () => {
    const WEBHOOKS = '/api/v1/webhooks';
    const { id: clientId } = (
      await app.admin.post('/api/v1/api-clients', {
        name: 'app',
        developerId: 'dev-789',
        scopes: ['sync:read', 'sync:write'],
      })
    ).body;
    // An address, so that nobody is asked for it; nothing is sent there: the endpoint is inactive.
    const input = { clientId, url: 'https://93.184.216.34/', assets: ['routes'], active: false };
    const created = await dev.post(WEBHOOKS, input);
    expectDocumented('post /api/v1/webhooks', created, 201);
    expectDocumented(
      'post /api/v1/webhooks',
      await dev.post(WEBHOOKS, { ...input, url: 'https://127.1/' }),
      400,
    );
    expectDocumented('get /api/v1/webhooks', await dev.get(WEBHOOKS), 200);
    const url = `${WEBHOOKS}/${created.body.id}`;
    const none = '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d';
    const stranger = await app.developer('dev-1');
    expectDocumented('get /api/v1/webhooks/{id}', await dev.get(url), 200);
    expectDocumented('get /api/v1/webhooks/{id}', await stranger.get(url), 404);
    expectDocumented('get /api/v1/webhooks/{id}', await dev.get(`${WEBHOOKS}/${none}`), 404);
    expectDocumented('patch /api/v1/webhooks/{id}', await dev.patch(url, { assets: null }), 200);
    expectDocumented('patch /api/v1/webhooks/{id}', await dev.patch(url, { secret: 'x' }), 400);
    expectDocumented('post /api/v1/webhooks/{id}/secret', await dev.post(`${url}/secret`, {}), 201);
    expectDocumented('get /api/v1/webhooks/{id}/deliveries', await dev.get(`${url}/deliveries`), 200);
    const replay = { developerId: 'dev-789', since: '2024-09-01T00:00:00Z' };
    expectDocumented('post /api/v1/webhooks/{id}/replay', await dev.post(`${url}/replay`, replay), 404);
    await app.admin.post('/api/v1/api-keys', { developerId: 'dev-789', scopes: ['sync:read'], clientId });
    expectDocumented('post /api/v1/webhooks/{id}/replay', await dev.post(`${url}/replay`, replay), 202);
    const ofTest = await app.dataSource.query(
      `INSERT INTO webhook_deliveries (id, endpoint_id, kind, notifications, status, created_at)
       VALUES (gen_random_uuid(), $1, 'test', 0, 'failed', now()) RETURNING id`,
      [created.body.id],
    );
    const delivery = `${url}/deliveries/${ofTest[0].id}`;
    expectDocumented('get /api/v1/webhooks/{id}/deliveries/{deliveryId}', await dev.get(delivery), 200);
    const again = await dev.request('POST', `${delivery}/replay`);
    expectDocumented('post /api/v1/webhooks/{id}/deliveries/{deliveryId}/replay', again, 409);
    expectDocumented('delete /api/v1/webhooks/{id}', await dev.delete(url), 204);
  });

  it('keys and health', async () => {
    const [POST, LIST, ROTATE, DELETE] = [
      'post /api/v1/api-keys',
      'get /api/v1/api-keys',
      'post /api/v1/api-keys/{id}/rotate',
      'delete /api/v1/api-keys/{id}',
    ] as const;
    const created = await app.admin.post('/api/v1/api-keys', {
      developerId: 'dev-789',
      scopes: ['sync:read'],
      name: 'laptop',
      expiresAt: '2999-01-01T00:00:00Z',
    });
    expectDocumented(POST, created, 201);
    expectDocumented(POST, await app.admin.post('/api/v1/api-keys', {}), 400);
    expectDocumented(POST, await dev.post('/api/v1/api-keys', {}), 403);
    expectDocumented(LIST, await app.admin.get('/api/v1/api-keys'), 200);
    const rotation = `/api/v1/api-keys/${created.body.id}/rotate`;
    expectDocumented(ROTATE, await app.admin.post(rotation, sample('RotateDto')), 201);
    expectDocumented(ROTATE, await app.admin.post(rotation, { overlapSeconds: -1 }), 400);
    expectDocumented(LIST, await app.admin.get('/api/v1/api-keys'), 200);
    expectDocumented(DELETE, await app.admin.delete(`/api/v1/api-keys/${created.body.id}`), 204);
    expectDocumented(ROTATE, await app.admin.post(rotation, {}), 409);
    expectDocumented(DELETE, await app.admin.delete('/api/v1/api-keys/x'), 400);
    const none = '/api/v1/api-keys/0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d';
    expectDocumented(DELETE, await app.admin.delete(none), 404);
    expectDocumented(ROTATE, await app.admin.post(`${none}/rotate`, {}), 404);
    expectDocumented('get /health/live', await app.admin.get('/health/live'), 200);
    expectDocumented('get /health/ready', await app.admin.get('/health/ready'), 200);
  });
});
