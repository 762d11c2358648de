import { beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { type Answer, Api, RECORDS } from '../support/api.js';
import { runSql } from '../support/database.js';
import { recordQueries } from '../support/queries.js';
import { ADMIN_KEY, createDatabase, ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { app } from './app.js';

const KEYS = '/api/v1/api-keys';
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UNKNOWN_KEY = `tdm_${'x'.repeat(43)}`;

/** A new key, and requests with it. */
async function createKey(extra: Record<string, unknown> = {}) {
  const { status, body } = await app.admin.post(KEYS, {
    developerId: 'dev-1',
    scopes: ['sync:read'],
    ...extra,
  });
  if (status !== 201) throw new Error(`no key: ${status} ${JSON.stringify(body)}`);
  return { ...body, api: new Api(app.url, body.key) };
}

let records = 0;
const recordOf = (developerId: string) => ({
  developerId,
  resourceType: 'ROUTE',
  resourceKey: `r-${++records}`,
  data: {},
});

/** 401 with the body of the documents and the challenge of RFC 6750, section 3. */
function expect401(answer: Answer, wereCredentialsSent = true) {
  expect(answer.status).toBe(401);
  expect(answer.body).toEqual({
    error: 'Authentication required',
    code: wereCredentialsSent ? 'invalid_token' : 'authentication_required',
    ...(wereCredentialsSent && { details: expect.any(String) }),
  });
  expect(answer.headers.get('www-authenticate')).toEqual(
    wereCredentialsSent
      ? expect.stringMatching(/^Bearer realm="tidemark", error="invalid_token", error_description="[^"\\]+"$/)
      : 'Bearer realm="tidemark"',
  );
}

describe('POST /api/v1/api-keys', () => {
  it('answers 201 with everything about the key, and the key itself', async () => {
    const { api, ...body } = await createKey({
      developerId: 'dev-post',
      scopes: ['sync:write', 'sync:read'],
      name: 'laptop',
      expiresAt: '2100-01-01T02:00:00+02:00',
    });
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      developerId: 'dev-post',
      scopes: ['sync:write', 'sync:read'],
      name: 'laptop',
      clientId: null,
      key: expect.stringMatching(/^tdm_[\w-]{43}$/),
      prefix: body.key.slice(0, 12),
      createdAt: expect.stringMatching(ISO),
      expiresAt: '2100-01-01T00:00:00.000Z',
      lastUsedAt: null,
      revokedAt: null,
    });
    expect((await api.post(RECORDS, recordOf('dev-post'))).status).toBe(201);
  });

  it('makes a key without name and expiry when neither is given', async () => {
    expect(await createKey()).toMatchObject({ name: null, expiresAt: null });
  });

  it('reads every form of ISO 8601 that names one moment', async () => {
    for (const expiresAt of ['21000101T000000Z', '2100-01-01 02:00+02', '2099-W53-5T00:00:00,0Z'])
      expect((await createKey({ expiresAt })).expiresAt).toBe('2100-01-01T00:00:00.000Z');
  });

  it('makes different keys, and one developer, for parallel requests of an unknown developer', async () => {
    const created = await Promise.all(
      Array.from({ length: 10 }, () => createKey({ developerId: 'dev-new' })),
    );
    expect(new Set(created.map(({ key }) => key)).size).toBe(10);
    expect(await app.dataSource.query(`SELECT FROM developers WHERE developer_id = 'dev-new'`)).toHaveLength(
      1,
    );
  });

  it('stores of the key nothing but its SHA-256 and the shown prefix', async () => {
    const { id, key, prefix } = await createKey();
    const [{ text, hash }] = await app.dataSource.query(
      'SELECT k::text AS text, hash FROM api_keys k WHERE id = $1',
      [id],
    );
    expect(hash).toEqual(createHash('sha256').update(key).digest());
    expect(text).toContain(prefix);
    expect(text).not.toContain(key.slice(12));
  });

  it.each<[string, unknown, string[]]>([
    ['nothing', {}, ['developerId', 'scopes']],
    ['an unknown field', { color: 'red' }, ['color']],
    ['read-only fields', { key: 'mine', prefix: 'x', revokedAt: null }, ['key', 'prefix', 'revokedAt']],
    ['an empty developerId', { developerId: '' }, ['developerId']],
    ['a developerId of 256 characters', { developerId: 'x'.repeat(256) }, ['developerId']],
    ['a developerId that is a number', { developerId: 7 }, ['developerId']],
    ['a developerId that is null', { developerId: null }, ['developerId']],
    ['scopes that are a string', { scopes: 'sync:read' }, ['scopes']],
    ['scopes that are an object', { scopes: { 0: 'sync:read' } }, ['scopes']],
    ['no scopes', { scopes: [] }, ['scopes']],
    ['an unknown scope', { scopes: ['sync:read', 'sync:root'] }, ['scopes']],
    ['a scope that is null', { scopes: [null] }, ['scopes']],
    ['a scope that is a list', { scopes: [['sync:read']] }, ['scopes']],
    ['duplicate scopes', { scopes: ['sync:read', 'sync:read'] }, ['scopes']],
    ['a name that is a number', { name: 1 }, ['name']],
    ['a name of 256 characters', { name: 'x'.repeat(256) }, ['name']],
    ['several at once', { developerId: 1, scopes: [], name: '' }, ['developerId', 'scopes', 'name']],
    ...[
      '2020-01-01T00:00:00Z',
      'tomorrow',
      '',
      4102444800000,
      null,
      ['2100-01-01T00:00:00Z'],
      '2100-02-30T00:00:00Z',
      '2100-01-01T00:00:00',
      '2100-W01-1',
      '2100-12-31T23:59:60Z',
      '99999-01-01T00:00:00Z',
      '+275760-09-13T00:00:00Z',
      '9999-12-31T23:59:59-05:00',
    ].map((expiresAt): [string, unknown, string[]] => [
      `expiresAt ${JSON.stringify(expiresAt)}`,
      { expiresAt },
      ['expiresAt'],
    ]),
  ])('refuses %s with 400 and names the fields', async (name, extra, fields) => {
    const valid = { developerId: 'dev-bad', scopes: ['sync:read'] };
    const { status, body } = await app.admin.post(
      KEYS,
      name === 'nothing' ? {} : { ...valid, ...(extra as object) },
    );
    expect({ status, ...body }).toEqual({
      status: 400,
      error: 'Invalid request',
      code: 'invalid_request',
      details: expect.any(String),
    });
    for (const field of fields) expect(body.details).toMatch(new RegExp(`\\b${field}\\b`));
  });

  it.each([
    ['a NUL character', '{"developerId":"a\\u0000","scopes":["sync:read"]}'],
    ['a lone surrogate', '{"developerId":"a\\ud800","scopes":["sync:read"]}'],
    ['what is no JSON', '{"developerId":'],
    ['an array', '[]'],
    ['an empty body', ''],
  ])('refuses %s with 400', async (_name, body) => {
    expect((await app.admin.post(KEYS, body)).status).toBe(400);
  });

  it('has created nothing for a refused request', async () => {
    expect(await app.dataSource.query(`SELECT FROM developers WHERE developer_id = 'dev-bad'`)).toHaveLength(
      0,
    );
  });
});

describe('GET /api/v1/api-keys', () => {
  it('shows what was created, in order, without key and hash, page by page', async () => {
    const created = [];
    for (let i = 0; i < 3; i++) {
      const key = await createKey({ developerId: 'dev-list' });
      created.push({ ...key, key: undefined, api: undefined });
    }
    const list = async (query: string) => (await app.admin.get(`${KEYS}?developerId=dev-list${query}`)).body;
    expect(await list('')).toEqual({ total: 3, page: 1, limit: 50, data: created });
    expect(await list('&limit=2')).toEqual({ total: 3, page: 1, limit: 2, data: created.slice(0, 2) });
    expect(await list('&limit=2&page=2')).toEqual({ total: 3, page: 2, limit: 2, data: created.slice(2) });
    expect(await list('&page=10000')).toMatchObject({ total: 3, data: [] });
  });

  it('lists the keys of all developers without a filter, and none of an unknown one', async () => {
    await createKey({ developerId: 'dev-list-2' });
    const { body } = await app.admin.get(`${KEYS}?limit=100`);
    expect(new Set(body.data.map((key: { developerId: string }) => key.developerId)).size).toBeGreaterThan(1);
    expect((await app.admin.get(`${KEYS}?developerId=nobody`)).body).toMatchObject({ total: 0, data: [] });
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=1e1',
    'page=0',
    'page=x',
    'developerId=',
    'developerId=%00',
    'q=1',
  ])('refuses ?%s with 400 and names it', async (query) => {
    const { status, body } = await app.admin.get(`${KEYS}?${query}`);
    expect(status).toBe(400);
    expect(body.details).toContain(query.split('=')[0]);
  });

  it('shows the last use of a key, and not the attempts with a revoked or expired one', async () => {
    const lastUse = async (developerId: string) =>
      (await app.admin.get(`${KEYS}?developerId=${developerId}`)).body.data[0].lastUsedAt;
    const { api } = await createKey({ developerId: 'dev-used' });
    await api.get(RECORDS);
    const before = Date.now();
    // No request waits until its key's use is noted.
    await until(async () => (await lastUse('dev-used')) !== null);
    expect(Date.parse(await lastUse('dev-used'))).toBeGreaterThan(before - 5_000);

    const revoked = await createKey({ developerId: 'dev-unused' });
    await app.admin.delete(`${KEYS}/${revoked.id}`);
    expect401(await revoked.api.get(RECORDS));
    expect(await lastUse('dev-unused')).toBeNull();

    const expired = await createKey({ developerId: 'dev-late', expiresAt: '2100-01-01T00:00:00Z' });
    await app.dataSource.query('UPDATE api_keys SET expires_at = now() WHERE id = $1', [expired.id]);
    expect401(await expired.api.get(RECORDS));
    expect(await lastUse('dev-late')).toBeNull();
  });
});

describe('DELETE /api/v1/api-keys/{id}', () => {
  it('revokes at once a key that is in use, and answers 204 again when repeated', async () => {
    const { id, api } = await createKey({ developerId: 'dev-revoked' });
    expect((await api.get(RECORDS)).status).toBe(200);
    const revokedAt = async () =>
      (await app.admin.get(`${KEYS}?developerId=dev-revoked`)).body.data[0].revokedAt;

    expect(await app.admin.delete(`${KEYS}/${id}`)).toMatchObject({ status: 204, body: '' });
    expect401(await api.get(RECORDS));
    const first = await revokedAt();
    expect(first).toMatch(ISO);
    expect((await app.admin.delete(`${KEYS}/${id.toUpperCase()}`)).status).toBe(204);
    expect(await revokedAt()).toBe(first);
  });

  it('never leaves a key working, however many requests look it up at that moment', async () => {
    for (let round = 0; round < 10; round++) {
      const { id, api } = await createKey();
      let isRevoked = false;
      const revocation = app.admin.delete(`${KEYS}/${id}`).then(() => (isRevoked = true));
      const use = async () => {
        while (!isRevoked) expect([200, 401]).toContain((await api.get(`${RECORDS}?limit=1`)).status);
      };
      await Promise.all([use(), use(), use(), revocation]);
      expect401(await api.get(RECORDS));
    }
  });

  it('answers 404 for an unknown id and 400 for a malformed one', async () => {
    expect((await app.admin.delete(`${KEYS}/${randomUUID()}`)).body.code).toBe('not_found');
    expect((await app.admin.delete(`${KEYS}/7`)).body.code).toBe('invalid_request');
  });
});

describe('a key', () => {
  it('stops working when it expires', async () => {
    const { api } = await createKey({ expiresAt: new Date(Date.now() + 1_000).toISOString() });
    expect((await api.get(RECORDS)).status).toBe(200);
    await until(async () => (await api.get(RECORDS)).status === 401);
    expect401(await api.get(RECORDS));
  });

  it('costs no query once it is known', async () => {
    const { api } = await createKey();
    await api.get(RECORDS);
    const queries = await recordQueries(async () => {
      for (let i = 0; i < 5; i++) expect((await api.get(`${RECORDS}/${randomUUID()}`)).status).toBe(404);
    });
    const texts = queries.map(({ text }) => text);
    expect(texts.filter((text) => text.includes('FROM records'))).toHaveLength(5);
    for (const text of texts) expect(text).not.toContain('api_keys');
  });

  it('is one of several of its developer: all see the same library', async () => {
    const writer = await createKey({ developerId: 'dev-two', scopes: ['sync:write'] });
    const reader = await createKey({ developerId: 'dev-two', scopes: ['sync:read'] });
    const { id } = await writer.api.create(recordOf('dev-two'));
    expect((await reader.api.get(`${RECORDS}/${id}`)).status).toBe(200);
  });
});

describe('the Authorization header', () => {
  const send = (authorization?: string) =>
    new Api(app.url).get(RECORDS, authorization === undefined ? {} : { authorization });

  it.each(['Bearer', 'bearer', 'BEARER', 'ApiKey', 'apikey', 'Bearer  '])(
    'takes the scheme "%s"',
    async (scheme) => {
      const { key } = await createKey();
      expect((await send(`${scheme} ${key}`)).status).toBe(200);
    },
  );

  it('missing: 401 with a challenge that names no error', async () => {
    expect401(await send(), false);
  });

  it.each([
    ['empty', ''],
    ['another scheme', 'Basic YWRtaW46YWRtaW4='],
    ['a scheme without token', 'Bearer'],
    ['a token without scheme', ADMIN_KEY],
    ['two tokens', `Bearer ${ADMIN_KEY} ${ADMIN_KEY}`],
    ['garbage', 'Bearer garbage'],
    ['a quoted key', `Bearer "${ADMIN_KEY}"`],
    ['the start of the admin key', `Bearer ${ADMIN_KEY.slice(0, -1)}`],
    ['more than the admin key', `Bearer ${ADMIN_KEY}x`],
    ['an unknown key', `Bearer ${UNKNOWN_KEY}`],
    ['an unknown key', `ApiKey ${UNKNOWN_KEY}`],
    ['a JWT where no issuer is configured', 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJkZXYtMSJ9.'],
    ['bytes outside ASCII', 'Bearer \xff\xfe'],
  ])('%s: 401 with error="invalid_token"', async (_name, authorization) => {
    expect401(await send(authorization));
  });

  it('is needed for HEAD, too', async () => {
    expect((await new Api(app.url).request('HEAD', RECORDS)).status).toBe(401);
  });
});

describe('scopes', () => {
  it('a missing one: 403 that names it, by RFC 6750', async () => {
    const { api } = await createKey({ scopes: ['sync:write'] });
    const { status, headers, body } = await api.get(RECORDS);
    expect({ status, ...body }).toEqual({
      status: 403,
      error: 'Forbidden',
      details: 'This needs scope sync:read.',
      code: 'insufficient_scope',
    });
    expect(headers.get('www-authenticate')).toBe(
      'Bearer realm="tidemark", error="insufficient_scope", scope="sync:read"',
    );
  });

  it('sync:admin includes the others, for every developer', async () => {
    const { api } = await createKey({ developerId: 'dev-root', scopes: ['sync:admin'] });
    const { id } = await api.create(recordOf('dev-of-root'));
    expect((await api.get(`${RECORDS}/${id}`)).status).toBe(200);
    expect((await api.get(KEYS)).status).toBe(200);
  });
});

describe('a developer', () => {
  let alice: Api;
  let bob: Api;
  beforeAll(async () => {
    alice = await app.developer('alice');
    bob = await app.developer('bob');
  });
  const forbidden = { status: 403, body: { error: 'Forbidden', code: 'forbidden' } };

  it("gets 403 for another's records, 404 for their item pages, and changes nothing", async () => {
    const record = await alice.create(recordOf('alice'));
    const path = `${RECORDS}/${record.id}`;
    expect(await bob.get(path)).toMatchObject(forbidden);
    expect(await bob.patch(path, { data: { stolen: true } })).toMatchObject(forbidden);
    expect(await bob.delete(path)).toMatchObject(forbidden);
    expect(await bob.get(`${RECORDS}?developerId=alice`)).toMatchObject(forbidden);
    expect(await bob.post(RECORDS, recordOf('alice'))).toMatchObject(forbidden);
    const feed = (await alice.sync({ since: '1970-01-01' })).body;
    expect(await bob.get(feed.items.at(-1).item_url)).toMatchObject({ status: 404 });
    expect((await alice.get(path)).body).toEqual(record);
  });

  it('gets 404 where there is nothing', async () => {
    const path = `${RECORDS}/${randomUUID()}`;
    for (const answer of [await bob.get(path), await bob.patch(path, { data: {} }), await bob.delete(path)])
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it('cannot create a developer by naming it', async () => {
    expect(await bob.post(RECORDS, recordOf('invented'))).toMatchObject(forbidden);
    expect(await app.dataSource.query(`SELECT FROM developers WHERE developer_id = 'invented'`)).toHaveLength(
      0,
    );
  });

  it('lists its own records when it names nobody', async () => {
    await alice.create(recordOf('alice'));
    await bob.create(recordOf('bob'));
    const { data } = (await bob.get(RECORDS)).body;
    expect(new Set(data.map((record: { developerId: string }) => record.developerId))).toEqual(
      new Set(['bob']),
    );
  });

  it('reads its own feed, named or not, and no other, known or not', async () => {
    expect((await bob.sync({ since: '1970-01-01' })).status).toBe(200);
    expect((await bob.sync({ since: '1970-01-01', developerId: 'bob' })).status).toBe(200);
    expect(await bob.sync({ since: '1970-01-01', developerId: 'alice' })).toMatchObject(forbidden);
    expect(await bob.sync({ since: '1970-01-01', developerId: 'unknown' })).toMatchObject(forbidden);
  });
});

describe('an admin', () => {
  it("reads and writes every developer's records", async () => {
    const { id } = await app.admin.create(recordOf('carol'));
    const path = `${RECORDS}/${id}`;
    expect((await app.admin.get(path)).status).toBe(200);
    expect((await app.admin.get(`${RECORDS}?developerId=carol`)).body.total).toBe(1);
    expect((await app.admin.patch(path, { status: 'ERROR' })).status).toBe(200);
    expect((await app.admin.delete(path)).status).toBe(204);
  });

  it('names the feed it wants: 422 for none, 404 for an unknown developer', async () => {
    expect(await app.admin.sync({ since: '1970-01-01' })).toMatchObject({
      status: 422,
      body: { error: 'Missing required parameter: developerId' },
    });
    expect((await app.admin.sync({ since: '1970-01-01', developerId: 'unknown' })).status).toBe(404);
  });
});

describe('the logs', () => {
  const SECRET = 'marker-of-record-data';

  it('contain no key, token or record data, even at level trace and of failing requests', async () => {
    const database = await createDatabase();
    await runSql(database, "ALTER TABLE records ADD CHECK (resource_key <> 'refused')");
    const server = await ServerProcess.start({ ...database.env, LOG_LEVEL: 'trace' });
    try {
      const { body: created } = await server.admin.post(KEYS, {
        developerId: 'dev-1',
        scopes: ['sync:read', 'sync:write'],
      });
      const dev = new Api(server.url, created.key);
      const jwt = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJkZXYtMSJ9.c2VjcmV0';
      const input = { ...recordOf('dev-1'), data: { SECRET }, metadata: { SECRET } };
      const statuses = [
        await dev.post(RECORDS, input),
        await dev.post(RECORDS, input),
        await dev.post(RECORDS, { ...input, resourceKey: 'refused' }),
        await dev.post(RECORDS, `{"data": {"a": "${SECRET}"`),
        await dev.post(RECORDS, `${SECRET}`),
        await dev.post(RECORDS, { ...input, status: SECRET }),
        await dev.post(RECORDS, { data: SECRET.repeat(100_000) }),
        await dev.post(RECORDS, SECRET, { 'content-type': 'text/xml' }),
        await dev.get(`${RECORDS}?resourceType=${SECRET}`),
        await dev.get(`${RECORDS}?unknown=${SECRET}`),
        await new Api(server.url, jwt).get(RECORDS),
        await new Api(server.url, UNKNOWN_KEY).get(RECORDS),
      ].map(({ status }) => status);
      expect(statuses).toEqual([201, 409, 500, 400, 400, 400, 413, 415, 200, 400, 401, 401]);
      await server.stop();
      expect(server.output).toContain('violates check constraint');
      for (const secret of [SECRET, ADMIN_KEY, created.key, jwt, UNKNOWN_KEY])
        expect(server.output).not.toContain(secret);
    } finally {
      await server.stop();
      await database.drop();
    }
  });
});
