import { describe, expect, it } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { Api, RECORDS } from '../support/api.js';
import { recordQueries } from '../support/queries.js';
import { until } from '../support/until.js';
import { app } from './app.js';

const CLIENTS = '/api/v1/api-clients';
const KEYS = '/api/v1/api-keys';
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUIDV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const SECRET = /^tdms_[\w-]{43}$/;

async function createClient(extra: Record<string, unknown> = {}) {
  const { status, body } = await app.admin.post(CLIENTS, {
    name: 'Route planner',
    developerId: 'vendor',
    scopes: ['sync:read', 'sync:write'],
    ...extra,
  });
  if (status !== 201) throw new Error(`no client: ${status} ${JSON.stringify(body)}`);
  return body;
}

async function createKey(clientId: string, extra: Record<string, unknown> = {}) {
  const { status, body } = await app.admin.post(KEYS, {
    developerId: 'dev-1',
    scopes: ['sync:read'],
    clientId,
    ...extra,
  });
  if (status !== 201) throw new Error(`no key: ${status} ${JSON.stringify(body)}`);
  return { ...body, api: new Api(app.url, body.key) };
}

/** The service that the authorization server asks, on the database of the server. */
async function loadService() {
  const { ApiClientsService } = await import('../../src/clients/api-clients.service.js');
  const { ApiClient } = await import('../../src/clients/api-client.entity.js');
  const { DevelopersService } = await import('../../src/developers/developers.service.js');
  const { Developer } = await import('../../src/developers/developer.entity.js');
  const { Histories } = await import('../../src/histories/histories.js');
  const { default: dataSource } = await import('../../ormconfig.js');
  const histories = new Histories(dataSource);
  const developers = new DevelopersService(dataSource.getRepository(Developer), histories);
  return new ApiClientsService(dataSource.getRepository(ApiClient), developers, histories);
}

/** The server's own client, which no route makes. */
async function insertOwnClient(): Promise<string> {
  const id = randomUUID();
  await app.dataSource.query(
    `INSERT INTO api_clients (id, name, redirect_uris, scopes, pkce, created_at, updated_at)
     VALUES ($1, 'ours', '{}', '{sync:read,sync:write}', 'required', now(), now())`,
    [id],
  );
  return id;
}

describe('POST /api/v1/api-clients', () => {
  it('answers 201 with everything about the client, and its secret', async () => {
    const settings = {
      name: 'Route planner',
      developerId: 'vendor-new',
      redirectUris: ['https://planner.example.com/callback', 'com.example.planner:/callback'],
      defaultAssets: ['routes', 'Trips'],
      scopes: ['sync:write', 'sync:read'],
      pkce: 'optional',
      public: false,
    };
    const created = await createClient(settings);
    expect(created).toEqual({
      ...settings,
      id: expect.stringMatching(UUIDV7),
      secret: expect.stringMatching(SECRET),
      previousSecretExpiresAt: null,
      createdAt: expect.stringMatching(ISO),
      updatedAt: created.createdAt,
    });
  });

  it('makes a confidential client for all assets, that leads nowhere, when the rest is left out', async () => {
    expect(await createClient()).toMatchObject({
      redirectUris: [],
      defaultAssets: null,
      pkce: 'required',
      public: false,
      secret: expect.stringMatching(SECRET),
    });
  });

  it('makes a public client without a secret', async () => {
    const { id, secret } = await createClient({ public: true });
    expect(secret).toBeNull();
    expect((await app.admin.get(`${CLIENTS}/${id}`)).body.public).toBe(true);
  });

  it('stores of the secret nothing but its SHA-256', async () => {
    const { id, secret } = await createClient();
    const [{ text, hash }] = await app.dataSource.query(
      'SELECT c::text AS text, secret_hash AS hash FROM api_clients c WHERE id = $1',
      [id],
    );
    expect(hash).toEqual(createHash('sha256').update(secret).digest());
    expect(text).not.toContain(secret.slice(5));
  });

  it.each<[string, unknown, string[]]>([
    ['an unknown field', { color: 'red' }, ['color']],
    ['read-only fields', { id: randomUUID(), secret: 'mine' }, ['id', 'secret']],
    ['no name', { name: undefined }, ['name']],
    ['an empty name', { name: '' }, ['name']],
    ['no owner', { developerId: undefined }, ['developerId']],
    ['an owner that is null', { developerId: null }, ['developerId']],
    ['no scopes', { scopes: [] }, ['scopes']],
    ['administration', { scopes: ['sync:read', 'sync:admin'] }, ['scopes']],
    ['duplicate scopes', { scopes: ['sync:read', 'sync:read'] }, ['scopes']],
    ['redirectUris that are a string', { redirectUris: 'https://a.example/' }, ['redirectUris']],
    ['redirectUris that are null', { redirectUris: null }, ['redirectUris']],
    ['a redirect URI with a wildcard', { redirectUris: ['https://*.example.com/'] }, ['redirectUris']],
    ['a redirect URI of a script', { redirectUris: ['javascript:alert(1)'] }, ['redirectUris']],
    ['a redirect URI that is no string', { redirectUris: [{}] }, ['redirectUris']],
    [
      'one redirect URI twice',
      { redirectUris: ['https://a.example/', 'https://a.example/'] },
      ['redirectUris'],
    ],
    [
      '21 redirect URIs',
      { redirectUris: Array.from({ length: 21 }, (_, i) => `https://a.example/${i}`) },
      ['redirectUris'],
    ],
    ['defaultAssets that are a string', { defaultAssets: 'routes' }, ['defaultAssets']],
    ['no default assets', { defaultAssets: [] }, ['defaultAssets']],
    ['an asset that no type can be', { defaultAssets: ['routes', 'users'] }, ['defaultAssets']],
    ['two assets in one', { defaultAssets: ['routes,trips'] }, ['defaultAssets']],
    ['an asset of 81 characters', { defaultAssets: ['x'.repeat(81)] }, ['defaultAssets']],
    ['an asset that is null', { defaultAssets: [null] }, ['defaultAssets']],
    ['public as a string', { public: 'true' }, ['public']],
    ['public as null', { public: null }, ['public']],
    ['several at once', { name: 1, scopes: null, public: 0 }, ['name', 'scopes', 'public']],
  ])('refuses %s with 400 and names the fields', async (_name, extra, fields) => {
    const { status, body } = await app.admin.post(CLIENTS, {
      name: 'bad',
      developerId: 'vendor-bad',
      scopes: ['sync:read'],
      ...(extra as object),
    });
    expect({ status, ...body }).toMatchObject({ status: 400, code: 'invalid_request' });
    for (const field of fields) expect(body.details).toMatch(new RegExp(`\\b${field}\\b`));
  });

  it('has created nothing for a refused request', async () => {
    expect(await app.dataSource.query(`SELECT FROM developers WHERE developer_id = 'vendor-bad'`)).toEqual(
      [],
    );
  });
});

describe('GET /api/v1/api-clients', () => {
  it('shows what was created, in order, without secrets, page by page and one by one', async () => {
    const created = [];
    for (let i = 0; i < 3; i++) {
      const { secret, ...client } = await createClient({ developerId: 'vendor-list', name: `app ${i}` });
      expect(secret).toMatch(SECRET);
      created.push(client);
    }
    const list = async (query: string) =>
      (await app.admin.get(`${CLIENTS}?developerId=vendor-list${query}`)).body;
    expect(await list('')).toEqual({ total: 3, page: 1, limit: 50, data: created });
    expect(await list('&limit=2&page=2')).toEqual({ total: 3, page: 2, limit: 2, data: created.slice(2) });
    expect((await app.admin.get(`${CLIENTS}/${created[1].id.toUpperCase()}`)).body).toEqual(created[1]);
    expect((await app.admin.get(`${CLIENTS}?developerId=nobody`)).body).toMatchObject({ total: 0, data: [] });
  });

  it('has the clients of all owners without a filter', async () => {
    await createClient({ developerId: 'vendor-2' });
    const { body } = await app.admin.get(`${CLIENTS}?limit=100`);
    expect(
      new Set(body.data.map((client: { developerId: string }) => client.developerId)).size,
    ).toBeGreaterThan(1);
  });
});

describe('PATCH /api/v1/api-clients/{id}', () => {
  it('changes what is given, and leaves the rest and the secret', async () => {
    const { secret, ...client } = await createClient({ defaultAssets: ['routes'] });
    const url = `${CLIENTS}/${client.id}`;
    const { status, body } = await app.admin.patch(url, { name: 'Renamed' });
    expect({ status, body }).toEqual({
      status: 200,
      body: { ...client, name: 'Renamed', updatedAt: expect.stringMatching(ISO) },
    });
    const changes = { defaultAssets: null, redirectUris: ['https://new.example/'], scopes: ['sync:read'] };
    expect((await app.admin.patch(url, changes)).body).toMatchObject({ name: 'Renamed', ...changes });
    expect((await app.admin.get(url)).body).toMatchObject({ name: 'Renamed', ...changes });
    const service = await loadService();
    expect(service.verifySecret((await service.find(client.id))!, secret)).toBe(true);
  });

  it.each([
    { developerId: 'other' },
    { public: true },
    { secret: 'x' },
    { name: null },
    { scopes: [] },
    { scopes: ['sync:admin'] },
    { redirectUris: ['data:,x'] },
    { defaultAssets: [] },
  ])('refuses %j with 400 and names it', async (changes) => {
    const { id } = await createClient();
    const { status, body } = await app.admin.patch(`${CLIENTS}/${id}`, changes);
    expect(status).toBe(400);
    expect(body.details).toContain(Object.keys(changes)[0]);
  });
});

it('no client is found by what is no id', async () => {
  const service = await loadService();
  const { id } = await createClient();
  const found = await Promise.all(
    [id, id.toUpperCase(), randomUUID(), 'x', ''].map((name) => service.find(name)),
  );
  expect(found.map((client) => client?.id)).toEqual([id, id, undefined, undefined, undefined]);
});

describe('POST /api/v1/api-clients/{id}/secret', () => {
  it('makes a new secret, and both work until the overlap ends', async () => {
    const service = await loadService();
    const { id, secret: first } = await createClient();
    const before = Date.now();
    const { status, body } = await app.admin.post(`${CLIENTS}/${id}/secret`, { overlapSeconds: 60 });
    expect({ status, body }).toMatchObject({
      status: 201,
      body: { id, secret: expect.stringMatching(SECRET) },
    });
    const end = Date.parse(body.previousSecretExpiresAt);
    expect(end).toBeGreaterThanOrEqual(before + 60_000);
    expect(end).toBeLessThanOrEqual(Date.now() + 60_000);

    const client = (await service.find(id))!;
    expect([first, body.secret, 'x', ''].map((secret) => service.verifySecret(client, secret))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    client.previousSecretExpiresAt = new Date();
    expect(service.verifySecret(client, first)).toBe(false);
    expect(service.verifySecret(client, body.secret)).toBe(true);
  });

  it('lets both work for a day unless told otherwise', async () => {
    const { id } = await createClient();
    const { body } = await app.admin.post(`${CLIENTS}/${id}/secret`, {});
    expect(Date.parse(body.previousSecretExpiresAt) - Date.parse(body.updatedAt)).toBe(86_400_000);
  });

  it('ends the old secret at once without an overlap, and every older one in any case', async () => {
    const service = await loadService();
    const { id, secret: first } = await createClient();
    const rotate = async (overlapSeconds: number) =>
      (await app.admin.post(`${CLIENTS}/${id}/secret`, { overlapSeconds })).body;
    const { secret: second } = await rotate(60);
    const { secret: third } = await rotate(60);
    const verify = async () => {
      const client = (await (await loadService()).find(id))!;
      return [first, second, third].map((secret) => service.verifySecret(client, secret));
    };
    expect(await verify()).toEqual([false, true, true]);
    const { secret: last, previousSecretExpiresAt } = await rotate(0);
    expect(previousSecretExpiresAt).toBeNull();
    expect(await verify()).toEqual([false, false, false]);
    expect(service.verifySecret((await (await loadService()).find(id))!, last)).toBe(true);
  });

  it('loses the secret of neither of two that rotate at once', async () => {
    const service = await loadService();
    const { id } = await createClient();
    const rotations = await Promise.all([1, 2].map(() => app.admin.post(`${CLIENTS}/${id}/secret`, {})));
    const client = (await service.find(id))!;
    for (const { body } of rotations) expect(service.verifySecret(client, body.secret)).toBe(true);
  });

  it('is refused to a public client, which never has a secret', async () => {
    const service = await loadService();
    const { id } = await createClient({ public: true });
    const { status, body } = await app.admin.post(`${CLIENTS}/${id}/secret`, {});
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    const client = (await service.find(id))!;
    expect([client.secretHash, service.verifySecret(client, '')]).toEqual([null, false]);
  });

  it.each([-1, 2_592_001, 1.5, '60', null])('refuses an overlap of %j with 400', async (overlapSeconds) => {
    const { id } = await createClient();
    const { status, body } = await app.admin.post(`${CLIENTS}/${id}/secret`, { overlapSeconds });
    expect(status).toBe(400);
    expect(body.details).toContain('overlapSeconds');
  });
});

it.each([
  ['GET', ''],
  ['PATCH', ''],
  ['DELETE', ''],
  ['POST', '/secret'],
])(
  "%s {id}%s answers 404 for an unknown id and the server's own client, 400 for a malformed id",
  async (method, path) => {
    const send = (id: string) =>
      app.admin.request(method, `${CLIENTS}/${id}${path}`, {
        ...(['PATCH', 'POST'].includes(method) && {
          headers: { 'content-type': 'application/json' },
          body: '{}',
        }),
      });
    expect((await send(randomUUID())).body.code).toBe('not_found');
    expect((await send('7')).body.code).toBe('invalid_request');
    const own = await insertOwnClient();
    expect((await send(own)).body.code).toBe('not_found');
    expect(await app.dataSource.query('SELECT FROM api_clients WHERE id = $1', [own])).toHaveLength(1);
    const { body } = await app.admin.get(`${CLIENTS}?limit=100`);
    expect(body.data.map(({ id }: { id: string }) => id)).not.toContain(own);
  },
);

describe('an API key of a client', () => {
  it('says so, acts for its developer, and costs no query once it is known', async () => {
    const { id } = await createClient();
    const { api, clientId } = await createKey(id.toUpperCase(), { developerId: 'dev-known' });
    expect(clientId).toBe(id);
    expect((await app.admin.get(`${KEYS}?developerId=dev-known`)).body.data).toMatchObject([
      { clientId: id },
    ]);
    expect((await api.get(RECORDS)).status).toBe(200);
    const queries = await recordQueries(async () => {
      for (let i = 0; i < 5; i++) expect((await api.get(`${RECORDS}/${randomUUID()}`)).status).toBe(404);
    });
    const texts = queries.map(({ text }) => text);
    expect(texts.filter((text) => text.includes('FROM records'))).toHaveLength(5);
    for (const text of texts) expect(text).not.toMatch(/api_keys|api_clients/);
  });

  it('is refused with 400 for scopes that the client has not, and for a client that does not exist', async () => {
    const { id } = await createClient({ scopes: ['sync:read'] });
    const own = await insertOwnClient();
    for (const [clientId, scopes, details] of [
      [id, ['sync:read', 'sync:write'], /scopes.*sync:write/],
      [id, ['sync:admin'], /scopes.*sync:admin/],
      [randomUUID(), ['sync:read'], /clientId/],
      [own, ['sync:read'], /clientId/],
      ['7', ['sync:read'], /clientId/],
      [null, ['sync:read'], /clientId/],
    ]) {
      const { status, body } = await app.admin.post(KEYS, { developerId: 'dev-none', scopes, clientId });
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(body.details).toMatch(details as RegExp);
    }
    expect(await app.dataSource.query(`SELECT FROM developers WHERE developer_id = 'dev-none'`)).toEqual([]);
  });

  it('is refused with 400 for a client that another process has just deleted', async () => {
    const { id } = await createClient();
    await createKey(id);
    await app.dataSource.query('DELETE FROM api_clients WHERE id = $1', [id]);
    const { status, body } = await app.admin.post(KEYS, {
      developerId: 'dev-1',
      scopes: ['sync:read'],
      clientId: id,
    });
    expect([status, body.details]).toEqual([400, expect.stringContaining(id)]);
  });

  it('loses at once a scope that the client loses, and gets it back', async () => {
    const { id } = await createClient();
    const { api } = await createKey(id, { scopes: ['sync:read', 'sync:write'] });
    const read = async () => (await api.get(RECORDS)).status;
    expect(await read()).toBe(200);
    expect((await app.admin.patch(`${CLIENTS}/${id}`, { scopes: ['sync:write'] })).status).toBe(200);
    expect(await read()).toBe(403);
    expect((await app.admin.patch(`${CLIENTS}/${id}`, { scopes: ['sync:read'] })).status).toBe(200);
    expect(await read()).toBe(200);
  });

  it('ends at once with the client, and so does what developers have granted it', async () => {
    const { id } = await createClient();
    const { api } = await createKey(id);
    await app.dataSource.query(
      `INSERT INTO grants (id, user_id, client_id, scopes, payload, created_at, expires_at)
       SELECT 'granted', user_id, $1, '{sync:read}', '{}', now(), now() + interval '1 day'
       FROM developers WHERE developer_id = 'dev-1'`,
      [id],
    );
    expect((await api.get(RECORDS)).status).toBe(200);
    expect(await app.admin.delete(`${CLIENTS}/${id}`)).toMatchObject({ status: 204, body: '' });
    expect((await api.get(RECORDS)).status).toBe(401);
    expect(await app.dataSource.query(`SELECT FROM grants WHERE id = 'granted'`)).toEqual([]);
    expect((await app.admin.delete(`${CLIENTS}/${id}`)).status).toBe(404);
  });

  it('never works after the deletion is answered, however many requests look it up at that moment', async () => {
    for (let round = 0; round < 5; round++) {
      const { id } = await createClient();
      const { api } = await createKey(id);
      let isDeleted = false;
      const deletion = app.admin.delete(`${CLIENTS}/${id}`).then(() => (isDeleted = true));
      const use = async () => {
        while (!isDeleted) expect([200, 401]).toContain((await api.get(`${RECORDS}?limit=1`)).status);
      };
      await Promise.all([use(), use(), use(), deletion]);
      expect((await api.get(RECORDS)).status).toBe(401);
    }
  });
});

describe('a feed request without assets', () => {
  const SINCE = 'since=1970-01-01T00:00:00Z';
  const typesOf = (body: { items: { item_type: string }[] }) => body.items.map((item) => item.item_type);
  let developers = 0;

  /** A library of one route and one trip, and a client's key to it. */
  async function setUp(defaultAssets: string[] | null) {
    const developerId = `dev-assets-${++developers}`;
    const owner = await app.developer(developerId);
    const create = (resourceType: string, resourceKey: string) =>
      owner.create({ developerId, resourceType, resourceKey, data: {} });
    await create('ROUTE', '1');
    await create('TRIP', '1');
    const { id } = await createClient({ defaultAssets });
    const { api } = await createKey(id, { developerId });
    const change = async (assets: string[] | null) => {
      const { status } = await app.admin.patch(`${CLIENTS}/${id}`, { defaultAssets: assets });
      expect(status).toBe(200);
    };
    return { owner, api, create, change };
  }

  it('returns the default assets of the client, in any case, and says so in next_sync_url', async () => {
    const { owner, api } = await setUp(['Trips', 'gadgets']);
    const { body } = await api.sync(SINCE);
    expect(typesOf(body)).toEqual(['trip']);
    expect(new URL(body.meta.next_sync_url).searchParams.get('assets')).toBe('Trips,gadgets');
    expect(typesOf((await owner.sync(SINCE)).body)).toEqual(['route', 'trip']);
  });

  it('gives way to assets that are named, and to *, which is all of them', async () => {
    const { owner, api } = await setUp(['trips']);
    expect(typesOf((await api.sync(`${SINCE}&assets=routes`)).body)).toEqual(['route']);
    for (const caller of [api, owner]) {
      const { body } = await caller.sync(`${SINCE}&assets=*`);
      expect(typesOf(body)).toEqual(['route', 'trip']);
      expect(new URL(body.meta.next_sync_url).searchParams.get('assets')).toBe('*');
    }
    for (const assets of ['**', '*,routes', 'routes,*']) {
      expect((await api.sync({ since: '1970-01-01', assets })).status).toBe(400);
    }
  });

  it('returns everything without a default; without a client, next_sync_url names no assets either', async () => {
    const { owner, api } = await setUp(null);
    expect(typesOf((await api.sync(SINCE)).body)).toEqual(['route', 'trip']);
    const { meta } = (await owner.sync(SINCE)).body;
    expect(new URL(meta.next_sync_url).searchParams.has('assets')).toBe(false);
  });

  it.each<[string, string[] | null, string[] | null, string[]]>([
    ['of some assets', ['routes'], null, ['route']],
    ['of some assets', ['routes'], ['trips'], ['route']],
    ['of all assets', null, ['trips'], ['route', 'trip']],
  ])(
    'starts a feed %s, which next_sync_url goes on with though %j became %j',
    async (_of, from, to, types) => {
      const { api, create, change } = await setUp(from);
      for (const query of [SINCE, `${SINCE}&compact=true`, `${SINCE}&limit=1`]) {
        await change(from);
        let { body } = await api.sync(query);
        await change(to);
        while (body.meta.has_more) ({ body } = await api.get(`${body.meta.next_sync_url}&limit=1`));
        await create('ROUTE', query);
        await create('TRIP', query);
        const next = await api.get(body.meta.next_sync_url);
        expect(typesOf(next.body)).toEqual(types);
        const { searchParams } = new URL(next.body.meta.next_sync_url);
        expect(searchParams.get('assets')).toBe(from?.join(',') ?? '*');
      }
    },
  );

  it('is not answered with 304 when the default has changed, and else is', async () => {
    const { api, change } = await setUp(null);
    const get = (etag: string) => api.get(`/api/v1/sync.json?${SINCE}`, { 'If-None-Match': etag });
    let etag = (await api.sync(SINCE)).headers.get('etag')!;
    for (const assets of [['routes'], ['trips'], ['routes', 'trips'], null]) {
      expect((await get(etag)).status).toBe(304);
      await change(assets);
      const { status, headers } = await get(etag);
      expect(status).toBe(200);
      etag = headers.get('etag')!;
    }
    expect((await get(etag)).status).toBe(304);
  });

  it('sees a change of the default that another process has made, within 5 seconds', async () => {
    const { api } = await setUp(['routes']);
    expect(typesOf((await api.sync(SINCE)).body)).toEqual(['route']);
    await app.dataSource.query(`UPDATE api_clients SET default_assets = '{trips}'`);
    await until(async () => typesOf((await api.sync(SINCE)).body)[0] === 'trip');
  });
});
