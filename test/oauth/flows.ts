import { beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { Api } from '../support/api.js';
import { type Client, createClient } from '../support/api-clients.js';
import { expectError } from '../support/errors.js';
import {
  authorization,
  authorize,
  authorizeUrl,
  Browser,
  getOwnTokens,
  getTokens,
  pkce,
  post,
  setPassword,
} from '../support/oauth.js';
import { app } from './app.js';

let client: Client;
let publicClient: Client;

beforeAll(async () => {
  client = await createClient(app.admin);
  publicClient = await createClient(app.admin, {
    public: true,
    redirectUris: ['https://phone.example/callback'],
  });
  expect(await setPassword(app.admin, 'dev-1')).toMatchObject({ status: 204 });
});

const sync = (token: string) => new Api(app.url, token).sync({ since: '1970-01-01T00:00:00Z' });

describe('the code flow', () => {
  it.each([
    ['confidential', () => client],
    ['public', () => publicClient],
  ])('gives a %s client tokens that act for the developer, refreshed and revoked', async (_kind, get) => {
    const tokens = await getTokens(app.url, get(), 'dev-1');
    expect(tokens).toMatchObject({ scope: 'sync:read sync:write', expires_in: 3_600, token_type: 'Bearer' });
    expect(decodeProtectedHeader(tokens.access_token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      iss: app.url,
      aud: `${app.url}/api/v1`,
      sub: 'dev-1',
      client_id: get().id,
      scope: 'sync:read sync:write',
      grant: expect.any(String),
    });
    const api = new Api(app.url, tokens.access_token);
    await api.create({ developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: get().id, data: { km: 1 } });
    expect((await sync(tokens.access_token)).status).toBe(200);
    expect((await app.admin.get('/api/v1/api-keys')).body.data).toEqual([]);
    expectError(await api.get('/api/v1/api-clients'), 403, 'insufficient_scope');

    const refreshed = await post(app.url, '/oauth/token', get(), {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh_token,
    });
    expect(refreshed.status).toBe(200);
    expect((await sync(refreshed.body.access_token)).status).toBe(200);

    const revoked = await post(app.url, '/oauth/revoke', get(), { token: refreshed.body.refresh_token });
    expect(revoked.status).toBe(200);
    expectError(await sync(refreshed.body.access_token), 401, 'invalid_token');
    expectError(await sync(tokens.access_token), 401, 'invalid_token');
    const late = await post(app.url, '/oauth/token', get(), {
      grant_type: 'refresh_token',
      refresh_token: refreshed.body.refresh_token,
    });
    expect(late).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  });

  it('says to the application that the person denied', async () => {
    const browser = new Browser(app.url);
    const { challenge } = pkce();
    const start = await browser.follow(await browser.request(authorizeUrl(authorization(client, challenge))));
    const { location } = await browser.follow(await browser.post(start.location, { action: 'cancel' }));
    expect(location).toContain('https://planner.example/callback?error=access_denied');
    expect(new URL(location).searchParams.get('state')).toBe('a-state');
  });

  it.each([['sync:admin'], ['profile']])('refuses to ask a person for the scope "%s"', async (scope) => {
    const parameters = authorization(client, pkce().challenge, { scope });
    const { location } = await new Browser(app.url).follow(
      await new Browser(app.url).request(authorizeUrl(parameters)),
    );
    const { searchParams } = new URL(location);
    expect(searchParams.get('error')).toBe('invalid_scope');
    expect(searchParams.get('error_description')).toContain('sync:read');
  });

  it('asks a person who is logged in and has consented for nothing more', async () => {
    const browser = new Browser(app.url);
    await authorize(browser, authorization(client, pkce().challenge), 'dev-1');
    const { location } = await browser.follow(
      await browser.request(authorizeUrl(authorization(client, pkce().challenge))),
    );
    expect(location).toMatch(/^https:\/\/planner\.example\/callback\?code=/);
  });
});

it('client credentials act for the owner of the client', async () => {
  const { status, body } = await post(app.url, '/oauth/token', client, {
    grant_type: 'client_credentials',
    scope: 'sync:read',
  });
  expect(status).toBe(200);
  expect(decodeJwt(body.access_token)).toMatchObject({ sub: 'planner-inc', scope: 'sync:read' });
  expect((await sync(body.access_token)).status).toBe(200);
  const created = await new Api(app.url, body.access_token).post('/api/v1/sync/records', {
    developerId: 'planner-inc',
    resourceType: 'ROUTE',
    resourceKey: 'x',
    data: {},
  });
  expectError(created, 403, 'insufficient_scope');
});

it.each([{ scope: 'profile' }, { scope: 'sync:admin' }])(
  'client credentials have scopes of the API alone: %j',
  async (scope) => {
    const form = { grant_type: 'client_credentials', ...scope };
    const { status, body } = await post(app.url, '/oauth/token', client, form);
    expect({ status, body }).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
    expect(body.error_description).toContain('sync:read');
  },
);

describe('an access token', () => {
  const getOwn = (scope?: string) => getOwnTokens(app.url, client, scope);
  const introspect = async (token: string, by = client) => {
    const { status, headers, body } = await post(app.url, '/oauth/introspect', by, { token });
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    return body;
  };
  const revoke = async (token: string, by = client) =>
    expect(await post(app.url, '/oauth/revoke', by, { token })).toMatchObject({ status: 200, body: {} });

  it.each([
    ['of a person', 'dev-1', () => getTokens(app.url, client, 'dev-1', { scope: 'sync:read' })],
    ['of client credentials', 'planner-inc', () => getOwn()],
  ])('%s can be introspected and revoked by its client alone', async (_whose, sub, get) => {
    const { access_token: token } = await get();
    const { aud, exp, iat, jti } = decodeJwt(token);
    const right = { active: true, token_type: 'Bearer', scope: 'sync:read', client_id: client.id, sub };
    expect(await introspect(token)).toEqual({ ...right, iss: app.url, aud, exp, iat, jti });
    expect(await introspect(token, publicClient)).toEqual({ active: false });
    await revoke(token, publicClient);
    expect((await sync(token)).status).toBe(200);
    await revoke(token);
    expectError(await sync(token), 401, 'invalid_token');
    expect(await introspect(token)).toEqual({ active: false });
    await revoke(token);
  });

  // As HTTP clients of some platforms say by themselves.
  it('is introspected and revoked for a program that says that it prefers HTML', async () => {
    const { access_token: token } = await getOwn();
    const accept = 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2';
    const ask = (action: string, form: Record<string, string> = { token }) =>
      post(app.url, `/oauth/${action}`, client, form, { accept });
    expect((await ask('introspect')).body).toMatchObject({ active: true });
    expect(await ask('revoke')).toMatchObject({ status: 200, body: {} });
    expectError(await sync(token), 401, 'invalid_token');
    expect((await ask('token', { grant_type: 'x' })).body).toMatchObject({ error: 'unsupported_grant_type' });
  });

  it('of a person takes the refresh token and the grant with it', async () => {
    const { access_token, refresh_token } = await getTokens(app.url, client, 'dev-1');
    await revoke(access_token);
    expect(await introspect(refresh_token)).toEqual({ active: false });
    const form = { grant_type: 'refresh_token', refresh_token };
    expect(await post(app.url, '/oauth/token', client, form)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
  });

  it('of client credentials ends alone', async () => {
    const [first, second] = [await getOwn(), await getOwn()];
    await revoke(first.access_token);
    expect((await sync(second.access_token)).status).toBe(200);
  });

  it('says what it can still do, not what it once could', async () => {
    const narrowed = await createClient(app.admin);
    const { access_token: token } = await getOwnTokens(app.url, narrowed, 'sync:read sync:write');
    const { refresh_token } = await getTokens(app.url, narrowed, 'dev-1');
    for (const each of [token, refresh_token])
      expect(await introspect(each, narrowed)).toMatchObject({ scope: 'sync:read sync:write' });
    await app.admin.patch(`/api/v1/api-clients/${narrowed.id}`, { scopes: ['sync:read'] });
    for (const each of [token, refresh_token])
      expect(await introspect(each, narrowed)).toMatchObject({ active: true, scope: 'sync:read' });
  });

  it.each(['introspect', 'revoke'])('is nothing that a stranger can %s', async (action) => {
    const { access_token: token } = await getOwn();
    const stranger = { ...client, secret: 'x' };
    expect(await post(app.url, `/oauth/${action}`, stranger, { token })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    });
    expect((await sync(token)).status).toBe(200);
  });

  it('that was revoked is remembered for a day after its end, and no longer', async () => {
    await app.dataSource.query(`
      INSERT INTO revoked_tokens (id, expires_at)
      VALUES ('old', now() - interval '25 hours'), ('late', now() - interval '23 hours')`);
    await revoke((await getOwn()).access_token);
    const kept = await app.dataSource.query(`SELECT id FROM revoked_tokens WHERE id IN ('old', 'late')`);
    expect(kept).toEqual([{ id: 'late' }]);
  });

  it('is not said to be revoked when that could not be kept', async () => {
    const { access_token: token } = await getOwn();
    await app.dataSource.query('ALTER TABLE revoked_tokens RENAME TO away');
    try {
      expect(await post(app.url, '/oauth/revoke', client, { token })).toMatchObject({
        status: 500,
        body: { error: 'server_error' },
      });
    } finally {
      await app.dataSource.query('ALTER TABLE away RENAME TO revoked_tokens');
    }
    expect((await sync(token)).status).toBe(200);
  });

  it('that is not one of this server is not active, and ends nothing', async () => {
    const { access_token: token } = await getOwn();
    const [header, payload, signature] = token.split('.');
    const other = (await getOwn('sync:write')).access_token.split('.');
    for (const forged of [
      `${header}.${other[1]}.${signature}`,
      `${header}.${payload}.`,
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`,
      `${header}.e30.x`,
    ]) {
      expect(await introspect(forged)).toEqual({ active: false });
      await revoke(forged);
    }
    expect((await sync(token)).status).toBe(200);
  });
});

it('publishes what it is and its public keys only', async () => {
  for (const name of ['oauth-authorization-server', 'openid-configuration']) {
    const { status, body } = await new Api(app.url).get(`/.well-known/${name}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      issuer: app.url,
      authorization_endpoint: `${app.url}/oauth/authorize`,
      token_endpoint: `${app.url}/oauth/token`,
      code_challenge_methods_supported: ['S256'],
      response_types_supported: ['code'],
    });
  }
  const { body } = await new Api(app.url).get('/oauth/jwks');
  expect(JSON.parse(body).keys).toEqual([
    {
      kty: 'EC',
      crv: 'P-256',
      alg: 'ES256',
      use: 'sig',
      kid: expect.any(String),
      x: expect.any(String),
      y: expect.any(String),
    },
  ]);
});
