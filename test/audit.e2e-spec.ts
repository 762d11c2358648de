import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { type Answer, Api, RECORDS } from './support/api.js';
import { type Client, createClient, createClientKey } from './support/api-clients.js';
import { createDatabase, runSql } from './support/database.js';
import { apiOperations } from './support/documented.js';
import { expectError } from './support/errors.js';
import { Browser, getTokens, PASSWORD, post, setPassword } from './support/oauth.js';
import { ADMIN_KEY, ServerProcess, startApp, type TestApp } from './support/server.js';
import { until } from './support/until.js';

const LOG = '/api/v1/audit-log';
const KEYS = '/api/v1/api-keys';
const CLIENTS = '/api/v1/api-clients';
const SCOPES = ['sync:read', 'sync:write'];

let app: TestApp;
/** An application, its client credentials, and a developer who has let it in. */
let client: Client;
let dev: Api;
beforeAll(async () => {
  app = await startApp();
  client = await createClient(app.admin);
  dev = await app.developer('dev');
  await setPassword(app.admin, 'dev');
});
afterAll(() => app.close());

const lines = async (): Promise<Record<string, unknown>[]> => (await app.admin.get(LOG)).body.data;
const json = { 'content-type': 'application/json' };
const put = (url: string, body: object) =>
  app.admin.request('PUT', url, { headers: json, body: JSON.stringify(body) });
const createKey = async (developerId = 'dev', scopes = SCOPES): Promise<{ id: string; key: string }> =>
  (await app.admin.post(KEYS, { developerId, scopes })).body;
const createRecord = async (): Promise<string> =>
  (await dev.create({ developerId: 'dev', resourceType: 'ROUTE', resourceKey: `${Math.random()}`, data: {} }))
    .id;
const grantOf = (tokens: { access_token: string }) => String(decodeJwt(tokens.access_token).grant);

const ADMIN = { kind: 'admin_key', id: null, developerId: null };

interface Change {
  /** Makes the change. */
  run: () => Promise<{ status: number }>;
  action: string;
  actor?: object;
  targetId?: unknown;
  developerId?: string | null;
  details?: unknown;
}

/** Every route that the audit log covers. A new one gets its line here, or in NOT_AUDITED below. */
const CHANGES: Record<string, () => Promise<Change>> = {
  'post /api/v1/api-keys': async () => ({
    run: () => app.admin.post(KEYS, { developerId: 'dev', scopes: ['sync:read'] }),
    action: 'key.created',
    details: { scopes: ['sync:read'] },
  }),
  'post /api/v1/api-keys/{id}/rotate': async () => {
    const { id, key } = await createKey();
    return {
      run: () => new Api(app.url, key).post(`${KEYS}/${id}/rotate`, { overlapSeconds: 60 }),
      action: 'key.rotated',
      actor: { kind: 'api_key', id, developerId: 'dev' },
      targetId: id,
      details: { newKeyId: expect.any(String), overlapSeconds: 60 },
    };
  },
  'delete /api/v1/api-keys/{id}': async () => {
    const { id } = await createKey();
    return {
      run: () => app.admin.delete(`${KEYS}/${id}`),
      action: 'key.revoked',
      targetId: id,
      details: null,
    };
  },
  'post /api/v1/api-clients': async () => ({
    run: () => app.admin.post(CLIENTS, { name: 'app', developerId: 'dev', scopes: ['sync:read'] }),
    action: 'client.created',
    details: { scopes: ['sync:read'], pkce: 'required' },
  }),
  'patch /api/v1/api-clients/{id}': async () => {
    const { id } = await createClient(app.admin, { developerId: 'dev' });
    return {
      run: () => app.admin.patch(`${CLIENTS}/${id}`, { redirectUris: ['https://a.example/'], name: 'New' }),
      action: 'client.updated',
      targetId: id,
      details: { fields: expect.arrayContaining(['redirectUris', 'name']) },
    };
  },
  'post /api/v1/api-clients/{id}/secret': async () => {
    const { id } = await createClient(app.admin, { developerId: 'dev' });
    return {
      run: () => app.admin.post(`${CLIENTS}/${id}/secret`, { overlapSeconds: 0 }),
      action: 'client.secret_rotated',
      targetId: id,
      details: { overlapSeconds: 0 },
    };
  },
  'delete /api/v1/api-clients/{id}': async () => {
    const { id } = await createClient(app.admin, { developerId: 'dev' });
    return {
      run: () => app.admin.delete(`${CLIENTS}/${id}`),
      action: 'client.deleted',
      targetId: id,
      details: null,
    };
  },
  'delete /api/v1/grants/{id}': async () => {
    const id = grantOf(await getTokens(app.url, client, 'dev'));
    return {
      run: () => app.admin.delete(`/api/v1/grants/${id}`),
      action: 'grant.withdrawn',
      targetId: id,
      details: { clientId: client.id },
    };
  },
  'put /api/v1/developers/{developerId}/password': async () => ({
    run: () => put('/api/v1/developers/dev/password', { password: PASSWORD }),
    action: 'password.set',
    targetId: null,
    details: null,
  }),
  'post /api/v1/developers/{developerId}/invites': async () => ({
    run: () => app.admin.post('/api/v1/developers/dev/invites', {}),
    action: 'password.invited',
    targetId: null,
    details: null,
  }),
  'put /api/v1/developers/{developerId}': async () => ({
    run: () => put('/api/v1/developers/dev', { name: 'Ada' }),
    action: 'developer.renamed',
    targetId: null,
    details: null,
  }),
  'delete /api/v1/developers/{developerId}': async () => {
    const developerId = `gone-${Math.random()}`;
    await createKey(developerId);
    return {
      run: () => app.admin.delete(`/api/v1/developers/${developerId}`),
      action: 'developer.erased',
      targetId: null,
      developerId,
      details: null,
    };
  },
  'put /api/v1/sync/records/{id}/shares/{developerId}': async () => {
    const id = await createRecord();
    const grant = await getTokens(app.url, client, 'dev');
    await createKey('reader');
    return {
      run: () => new Api(app.url, grant.access_token).put(`${RECORDS}/${id}/shares/reader`),
      action: 'share.granted',
      actor: { kind: 'access_token', id: client.id, developerId: 'dev' },
      targetId: id,
      details: { readerDeveloperId: 'reader' },
    };
  },
  'delete /api/v1/sync/records/{id}/shares/{developerId}': async () => {
    const id = await createRecord();
    await app.admin.put(`${RECORDS}/${id}/shares/reader`);
    return {
      run: () => app.admin.delete(`${RECORDS}/${id}/shares/reader`),
      action: 'share.revoked',
      targetId: id,
      details: { readerDeveloperId: 'reader' },
    };
  },
  'post /api/v1/oauth/signing-keys': async () => ({
    run: () => app.admin.post('/api/v1/oauth/signing-keys', { overlapSeconds: 3_600 }),
    action: 'signing_keys.rotated',
    developerId: null,
    details: { overlapSeconds: 3_600 },
  }),
  // The pages and endpoints of the authorization server, which are no part of the document.
  'consent at the login pages': async () => {
    const { id } = await createClient(app.admin);
    const { secret } = (await app.admin.post(`${CLIENTS}/${id}/secret`, { overlapSeconds: 0 })).body;
    const application = { ...client, id, secret };
    return {
      run: async () => ({ status: (await getTokens(app.url, application, 'dev')).expires_in && 200 }),
      action: 'grant.created',
      actor: { kind: 'account', id: null, developerId: 'dev' },
      details: { scopes: SCOPES, clientId: id },
    };
  },
  'revocation by the application': async () => {
    const tokens = await getTokens(app.url, client, 'dev');
    return {
      run: () => post(app.url, '/oauth/revoke', client, { token: tokens.refresh_token }),
      action: 'grant.withdrawn',
      actor: { kind: 'client', id: client.id, developerId: null },
      targetId: grantOf(tokens),
      details: { clientId: client.id },
    };
  },
  'a password by an invite': async () => {
    const { url } = (await app.admin.post('/api/v1/developers/dev/invites', {})).body;
    const token = new URL(url).searchParams.get('token')!;
    return {
      run: () => new Browser(app.url).post('/oauth/invite', { token, password: PASSWORD }),
      action: 'password.changed',
      actor: { kind: 'account', id: null, developerId: 'dev' },
      targetId: null,
      details: null,
    };
  },
};

/** The feed is the log of records, and deliveries are that of webhooks. */
const NOT_AUDITED = /^\w+ (\/api\/v1\/sync\/records(\/\{id\}(\/pin)?)?|\/api\/v1\/webhooks.*)$/;

it('every route that changes something is audited, records and webhooks aside', async () => {
  const routes = [...apiOperations((await app.admin.get('/docs-json')).body).keys()];
  const changing = routes
    .filter((route) => !route.startsWith('GET ') && !NOT_AUDITED.test(route))
    .map((route) => route.replace(/^\w+/, (method) => method.toLowerCase()));
  expect(changing.sort()).toEqual(
    Object.keys(CHANGES)
      .filter((name) => name.includes(' /api/'))
      .sort(),
  );
});

describe.each(Object.entries(CHANGES))('%s', (_name, prepare) => {
  it('writes exactly one line: the change, its actor, its target and the request', async () => {
    const { run, action, actor = ADMIN, targetId, developerId = 'dev', details } = await prepare();
    const [{ id: last }] = await lines();
    expect((await run()).status).toBeLessThan(300);
    const added = (await lines()).filter(({ id }) => Number(id) > Number(last));
    expect(added).toEqual([
      {
        id: expect.any(Number),
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        action,
        actor,
        targetId: targetId === undefined ? expect.any(String) : targetId,
        developerId,
        details,
        address: '127.0.0.1',
        requestId: expect.stringMatching(/^[\w-]{36}$/),
      },
    ]);
  });

  it('changes nothing at all when its line cannot be written', async () => {
    const { run } = await prepare();
    const before = await state();
    await app.dataSource.query(`
      CREATE FUNCTION no_lines() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no lines today'; END $$;
      CREATE TRIGGER no_lines BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION no_lines()`);
    try {
      // The helpers of the login pages throw.
      const status = await run().then(
        (answer) => answer.status,
        () => 500,
      );
      expect(status).toBe(500);
    } finally {
      await app.dataSource.query('DROP FUNCTION no_lines CASCADE');
    }
    expect(await state()).toEqual(before);
  });
});

/** All that audited changes change. The last use of a key is none. */
const state = () =>
  Promise.all(
    [
      `SELECT id, user_id, hash, expires_at, revoked_at FROM api_keys ORDER BY id`,
      ...['api_clients', 'passwords', 'invites', 'shares', 'server_keys', 'audit_log'].map(
        (table) => `SELECT * FROM ${table} ORDER BY 1, 2`,
      ),
      // An erased developer goes in the background.
      `SELECT * FROM developers WHERE developer_id NOT LIKE 'erased:%' ORDER BY user_id`,
      `SELECT id, user_id, client_id, scopes FROM grants ORDER BY id`,
      `SELECT user_id FROM feeds WHERE developer_id NOT LIKE 'erased:%' ORDER BY user_id`,
    ].map((sql) => app.dataSource.query<unknown[]>(sql)),
  );

it('a change that is refused, or changes nothing, writes no line', async () => {
  const { id, key } = await createKey();
  const owner = new Api(app.url, key);
  const record = await createRecord();
  await app.admin.put(`${RECORDS}/${record}/shares/reader`);
  const stranger = new Api(app.url, (await createKey('stranger')).key);
  await app.admin.delete(`${KEYS}/${id}`);
  const publicClient = await createClient(app.admin, { public: true });
  const unknown = '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d';
  const before = await lines();
  const answers = await Promise.all([
    owner.post(`${KEYS}/${id}/rotate`, {}),
    app.admin.post(`${KEYS}/${id}/rotate`, {}),
    app.admin.delete(`${KEYS}/${id}`),
    app.admin.delete(`${KEYS}/${unknown}`),
    app.admin.put(`${RECORDS}/${record}/shares/reader`),
    app.admin.delete(`${RECORDS}/${record}/shares/unknown`),
    stranger.put(`${RECORDS}/${record}/shares/stranger`),
    app.admin.patch(`${CLIENTS}/${unknown}`, { name: 'x' }),
    app.admin.post(`${CLIENTS}/${publicClient.id}/secret`, {}),
    app.admin.delete(`${CLIENTS}/${unknown}`),
    app.admin.delete('/api/v1/developers/unknown'),
    app.admin.delete('/api/v1/grants/unknown'),
    new Browser(app.url).post('/oauth/invite', { token: 'wrong', password: PASSWORD }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([
    ...[401, 409, 204, 404, 204, 204, 404, 404, 400, 404, 404, 404, 404],
  ]);
  expect(await lines()).toEqual(before);
});

it('a grant that is ended by several requests at once is ended once', async () => {
  const id = grantOf(await getTokens(app.url, client, 'dev'));
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => app.admin.delete(`/api/v1/grants/${id}`)),
  );
  expect(answers.map(({ status }) => status)).toContain(204);
  expect((await lines()).filter(({ targetId }) => targetId === id)).toHaveLength(2);
});

it('has the request id and the address that a request had', async () => {
  await app.admin.post(KEYS, { developerId: 'dev', scopes: SCOPES }, { 'x-request-id': 'my-request.1' });
  expect((await lines())[0]).toMatchObject({ requestId: 'my-request.1', address: '127.0.0.1' });
});

it('never has a secret', async () => {
  const key = await createKey();
  const rotated = (await app.admin.post(`${KEYS}/${key.id}/rotate`, {})).body;
  const application = await createClient(app.admin, { developerId: 'dev' });
  const renewed = (await app.admin.post(`${CLIENTS}/${application.id}/secret`, {})).body;
  const invite = (await app.admin.post('/api/v1/developers/dev/invites', {})).body;
  const tokens = await getTokens(app.url, client, 'dev');
  const secrets = [
    ...[ADMIN_KEY, PASSWORD, key.key, rotated.key, application.secret, renewed.secret],
    ...[new URL(invite.url).searchParams.get('token'), tokens.access_token, tokens.refresh_token],
  ];
  const [{ text }] = await app.dataSource.query(`SELECT string_agg(l::text, ' ') AS text FROM audit_log l`);
  for (const secret of secrets) expect(text).not.toContain(secret);
});

describe('GET /api/v1/audit-log', () => {
  it('pages from the newest line to the oldest, each once, while new lines come', async () => {
    for (let n = 0; n < 5; n++) await createKey('paged');
    const ids: number[] = [];
    let query = '?developerId=paged&limit=2';
    for (let pages = 0; pages < 10; pages++) {
      const { body } = await app.admin.get(LOG + query);
      ids.push(...body.data.map(({ id }: { id: number }) => id));
      if (body.next === null) break;
      expect(body.next).toBe(ids.at(-1));
      query = `?developerId=paged&limit=2&before=${body.next}`;
      await createKey('paged');
    }
    expect(ids).toHaveLength(5);
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => b - a));
  });

  it('filters by developer and by action', async () => {
    const { id } = await createKey('filtered');
    await app.admin.delete(`${KEYS}/${id}`);
    const { data } = (await app.admin.get(`${LOG}?developerId=filtered&action=key.revoked`)).body;
    expect(data.map(({ targetId }: { targetId: string }) => targetId)).toEqual([id]);
    expect((await app.admin.get(`${LOG}?developerId=filtered`)).body.data).toHaveLength(2);
    const { body } = await app.admin.get(`${LOG}?action=signing_keys.rotated`);
    expect(new Set(body.data.map(({ action }: { action: string }) => action))).toEqual(
      new Set(['signing_keys.rotated']),
    );
    expect((await app.admin.get(`${LOG}?developerId=never-there`)).body).toEqual({ data: [], next: null });
  });

  it.each([
    ['limit=101', 'limit must be at most 100'],
    ['limit=0', 'limit must be at least 1'],
    ['before=x', 'before must be an integer'],
    ['before=99999999999999999999', 'before'],
    ['action=key.sold', 'action must be one of'],
    ['page=2', 'property page should not exist'],
  ])('refuses %s', async (query, details) => {
    expectError(await app.admin.get(`${LOG}?${query}`), 400, 'invalid_request', details);
  });
});

it.each([
  `UPDATE audit_log SET developer_id = 'other'`,
  `UPDATE audit_log SET at = at`,
  `DELETE FROM audit_log`,
  `DELETE FROM audit_log WHERE action = 'key.created'`,
  `TRUNCATE audit_log`,
])('is append-only: %s is refused', async (sql) => {
  const before = await app.dataSource.query<unknown[]>('SELECT * FROM audit_log ORDER BY id');
  await expect(app.dataSource.query(sql)).rejects.toThrow(/of audit_log, which is append-only/);
  expect(await app.dataSource.query('SELECT * FROM audit_log ORDER BY id')).toEqual(before);
});

describe('a server process', () => {
  it('prunes lines older than AUDIT_LOG_DAYS, and names credentials in its log, never keys', async () => {
    const database = await createDatabase();
    const insert = (count: number, days: number) => `
      INSERT INTO audit_log (at, action, actor_kind)
      SELECT clock_timestamp() - interval '${days} days', 'key.created', 'client' FROM generate_series(1, ${count})`;
    await runSql(database, `${insert(2_500, 8)}`);
    await runSql(database, `${insert(3, 6)}`);
    const server = await ServerProcess.start({ ...database.env, AUDIT_LOG_DAYS: '7', LOG_LEVEL: 'info' });
    try {
      const count = async () => {
        const { data }: { data: { actor: { kind: string } }[] } = (await server.admin.get(`${LOG}?limit=100`))
          .body;
        return data.filter(({ actor }) => actor.kind === 'client').length;
      };
      await until(async () => (await count()) === 3);

      const { id, key } = (await server.admin.post(KEYS, { developerId: 'dev', scopes: SCOPES })).body;
      const application = await createClient(server.admin);
      const clientKey = await createClientKey(server.admin, application.id, 'dev');
      const token = (
        await post(server.url, '/oauth/token', application, {
          grant_type: 'client_credentials',
          scope: 'sync:read',
        })
      ).body.access_token;
      const requests: [string, Answer][] = [];
      for (const [name, api] of Object.entries({
        admin: server.admin,
        key: new Api(server.url, key),
        clientKey,
        token: new Api(server.url, token),
      }))
        requests.push([name, await api.get(`${RECORDS}?developerId=dev`)]);
      await server.stop();
      const logged = server.output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      const lineOf = (name: string) => {
        const [, answer] = requests.find(([other]) => other === name)!;
        return logged.find(({ reqId }) => reqId === answer.headers.get('x-request-id'))!;
      };
      expect(lineOf('key')).toMatchObject({ keyId: id, status: 200 });
      expect(lineOf('key')).not.toHaveProperty('clientId');
      expect(lineOf('clientKey')).toMatchObject({ keyId: expect.any(String), clientId: application.id });
      expect(lineOf('token')).toMatchObject({ clientId: application.id, path: RECORDS });
      for (const name of ['admin', 'token']) expect(lineOf(name)).not.toHaveProperty('keyId');
      expect(lineOf('admin')).not.toHaveProperty('clientId');
      for (const secret of [ADMIN_KEY, key, clientKey.key, token])
        expect(server.output).not.toContain(secret);
    } finally {
      await server.stop('SIGKILL');
      await database.drop();
    }
  });
});
