import type { SigningKey } from '../../src/tokens/signing-key.entity.js';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, importJWK, type JWK, type JWTPayload, SignJWT } from 'jose';
import { Api } from '../support/api.js';
import { type Client, createClient } from '../support/api-clients.js';
import { expectError } from '../support/errors.js';
import {
  authorization,
  authorize,
  authorizeUrl,
  Browser,
  getTokens,
  PASSWORD,
  pkce,
  post,
  setPassword,
} from '../support/oauth.js';
import { app } from './app.js';

let client: Client;
let other: Client;

beforeAll(async () => {
  client = await createClient(app.admin, {
    redirectUris: ['https://planner.example/callback', 'https://planner.example/second'],
  });
  other = await createClient(app.admin, { name: 'Other', redirectUris: ['https://other.example/callback'] });
  for (const name of ['dev-1', 'dev-2']) await setPassword(app.admin, name);
});

const sync = (token: string) => new Api(app.url, token).sync({ since: '1970-01-01T00:00:00Z' });

/** A code, and what it is exchanged with. */
async function getCode(of = client) {
  const { verifier, challenge } = pkce();
  const end = await authorize(new Browser(app.url), authorization(of, challenge), 'dev-1');
  return {
    grant_type: 'authorization_code',
    code: end.searchParams.get('code')!,
    redirect_uri: of.redirectUri,
    code_verifier: verifier,
  };
}

const exchange = (form: Record<string, string>, by = client) => post(app.url, '/oauth/token', by, form);
const refresh = (token: string, more: Record<string, string> = {}, by = client) =>
  post(app.url, '/oauth/token', by, { grant_type: 'refresh_token', refresh_token: token, ...more });

describe('a code', () => {
  it('works once: who brings it again ends everything that came of it', async () => {
    const form = await getCode();
    const { body } = await exchange(form);
    expect((await sync(body.access_token)).status).toBe(200);
    expect(await exchange(form)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expectError(await sync(body.access_token), 401, 'invalid_token');
    expect(await refresh(body.refresh_token)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
  });

  it('is of no use without its verifier, to another client, or with another redirect URI', async () => {
    const form = await getCode();
    for (const [changes, by] of [
      [{ code_verifier: pkce().verifier }, client],
      [{ code_verifier: '' }, client],
      [{ redirect_uri: 'https://planner.example/second' }, client],
      [{}, other],
    ] as const) {
      const answer = await exchange({ ...form, ...changes }, by);
      expect([answer.status, answer.body.error]).toEqual([
        400,
        expect.stringMatching(/^invalid_(grant|request)$/),
      ]);
    }
    expect((await exchange(form, { ...client, secret: 'wrong' })).status).toBe(401);
    expect((await exchange(form)).status).toBe(200);
  });
});

describe('an authorization', () => {
  const start = async (changes: Record<string, string>, without?: string) => {
    const parameters: Record<string, string> = authorization(client, pkce().challenge, changes);
    if (without !== undefined) delete parameters[without];
    return new Browser(app.url).request(authorizeUrl(parameters));
  };

  it.each([
    ['without PKCE', {}, 'code_challenge'],
    ['with a plain challenge', { code_challenge_method: 'plain' }, undefined],
    ['without a method', {}, 'code_challenge_method'],
    ['for an implicit token', { response_type: 'token' }, undefined],
    ['for a resource of somebody else', { resource: 'https://elsewhere.example' }, undefined],
  ])('%s is refused', async (_what, changes, without) => {
    const response = await start(changes, without);
    const location = response.headers.get('location') ?? '';
    expect([response.status, location]).toEqual([
      303,
      expect.stringMatching(/^https:\/\/planner\.example\/callback[?#]error=/),
    ]);
  });

  it('grants no scope that the client may not have, and never administration', async () => {
    const reader = await createClient(app.admin, { scopes: ['sync:read'] });
    const { challenge } = pkce();
    const response = await new Browser(app.url).request(authorizeUrl(authorization(reader, challenge)));
    expect(response.headers.get('location')).toContain('error=invalid_scope');
    const { scope, access_token } = await getTokens(app.url, client, 'dev-1', {
      scope: 'sync:read sync:admin',
    });
    expect(scope).toBe('sync:read');
    expectError(await new Api(app.url, access_token).get('/api/v1/api-clients'), 403, 'insufficient_scope');
  });

  it.each([
    'https://planner.example/callback/',
    'https://planner.example/callback/..',
    'https://planner.example/callback/../second',
    'https://planner.example/callbackx',
    'https://planner.example/Callback',
    'https://planner.example:8443/callback',
    'https://planner.example.evil.example/callback',
    'https://planner.example@evil.example/callback',
    'https://evil.example/callback',
    'https://planner.example/callback?next=https://evil.example',
    'https://planner.example/callback#x',
    'http://planner.example/callback',
    '//planner.example/callback',
    'javascript:alert(1)',
    '/callback',
  ])('sends nobody to %s', async (redirect_uri) => {
    const response = await start({ redirect_uri });
    expect(response.status).toBe(400);
    expect(response.headers.get('location')).toBeNull();
    expect(await response.text()).toContain('That did not work');
  });

  it('shows what a client or a request says as text', async () => {
    const odd = await createClient(app.admin, { name: '<script>alert("1")</script>&' });
    const browser = new Browser(app.url);
    const { response } = await browser.follow(
      await browser.request(authorizeUrl(authorization(odd, pkce().challenge))),
    );
    expect(response.status).toBe(200);
    const page = await response.text();
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;');
    expect(page).not.toContain('<script');
    const refused = await start({ redirect_uri: 'https://x.example/<script>', client_id: '<script>' });
    expect(await refused.text()).not.toContain('<script');
  });
});

describe('a refresh token', () => {
  it('works once: who brings an old one ends everything', async () => {
    const tokens = await getTokens(app.url, client, 'dev-1');
    const { body } = await refresh(tokens.refresh_token);
    expect((await sync(body.access_token)).status).toBe(200);
    expect(await refresh(tokens.refresh_token)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
    expectError(await sync(body.access_token), 401, 'invalid_token');
    expect((await refresh(body.refresh_token)).status).toBe(400);
  });

  it('gives no scope beyond what was granted, and works for its client alone', async () => {
    const tokens = await getTokens(app.url, client, 'dev-1', { scope: 'sync:read' });
    expect(await refresh(tokens.refresh_token, { scope: 'sync:read sync:write' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope' },
    });
    expect((await refresh(tokens.refresh_token, {}, other)).status).toBe(400);
    const stolen = await post(app.url, '/oauth/introspect', other, { token: tokens.refresh_token });
    expect(stolen.body).toEqual({ active: false });
    await post(app.url, '/oauth/revoke', other, { token: tokens.refresh_token });
    const own = await post(app.url, '/oauth/introspect', client, { token: tokens.refresh_token });
    expect(own.body).toMatchObject({ active: true, client_id: client.id, scope: 'sync:read' });
  });
});

describe('an access token', () => {
  /** A token signed with the server's own key, as only the server could. */
  async function forge(changes: JWTPayload, header: { alg?: string; typ?: string; kid?: string } = {}) {
    const { id, jwk } = await app.dataSource
      .getRepository<SigningKey>('SigningKey')
      .findOneByOrFail({ purpose: 'token' });
    const [grant] = await app.dataSource.query(
      `SELECT g.id, g.client_id, d.developer_id FROM grants g JOIN developers d ON d.user_id = g.user_id
       WHERE d.developer_id = 'dev-1' AND g.client_id = $1 LIMIT 1`,
      [client.id],
    );
    const claims = {
      iss: app.url,
      aud: `${app.url}/api/v1`,
      sub: 'dev-1',
      client_id: grant.client_id,
      grant: grant.id,
      scope: 'sync:read sync:admin',
      exp: Math.floor(Date.now() / 1_000) + 60,
      ...changes,
    };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: id, ...header })
      .sign(await importJWK(jwk, 'ES256'));
  }

  beforeAll(async () => {
    await getTokens(app.url, client, 'dev-1', { scope: 'sync:read' });
  });

  it('is believed when it is right, and then for what was granted only', async () => {
    const api = new Api(app.url, await forge({}));
    expect((await api.sync({ since: '1970-01-01T00:00:00Z' })).status).toBe(200);
    expectError(await api.get('/api/v1/api-clients'), 403, 'insufficient_scope');
    expectError(await sync(await forge({ scope: undefined })), 403, 'insufficient_scope');
  });

  it.each<[string, JWTPayload, { typ?: string; kid?: string }]>([
    ['of another issuer', { iss: 'https://issuer.example' }, {}],
    ['without an issuer', { iss: undefined }, {}],
    ['for another audience', { aud: 'https://elsewhere.example' }, {}],
    ['of another developer than its grant', { sub: 'dev-2' }, {}],
    ['of another client than its grant', { client_id: '00000000-0000-7000-8000-000000000001' }, {}],
    ['of an unknown client', { client_id: 'x' }, {}],
    ['of an unknown grant', { grant: 'x' }, {}],
    ['without a grant', { grant: undefined }, {}],
    ['that has expired', { exp: 1 }, {}],
    ['without an expiry', { exp: undefined }, {}],
    ['of another type', {}, { typ: 'JWT' }],
    ['with an unknown key', {}, { kid: 'x' }],
  ])('%s is refused', async (_what, changes, header) => {
    expectError(await sync(await forge(changes, header)), 401, 'invalid_token');
  });

  it('is refused without a signature, and with one made of the public key', async () => {
    const [, payload] = (await forge({})).split('.');
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const { body } = await new Api(app.url).get('/oauth/jwks');
    const [key] = JSON.parse(body).keys as JWK[];
    expectError(
      await sync(`${encode({ alg: 'none', typ: 'at+jwt', kid: key.kid })}.${payload}.`),
      401,
      'invalid_token',
    );
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    for (const secret of [JSON.stringify(key), key.x!]) {
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: key.kid })
        .sign(Buffer.from(secret.padEnd(32, '\0')));
      expectError(await sync(token), 401, 'invalid_token');
    }
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const own = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid, jwk: await exportJWK(publicKey) })
      .sign(privateKey);
    expectError(await sync(own), 401, 'invalid_token');
  });

  it('ends with its client, as refresh tokens and client credentials do', async () => {
    const gone = await createClient(app.admin, { redirectUris: ['https://gone.example/callback'] });
    const tokens = await getTokens(app.url, gone, 'dev-1');
    const own = await post(app.url, '/oauth/token', gone, {
      grant_type: 'client_credentials',
      scope: 'sync:read',
    });
    expect((await sync(own.body.access_token)).status).toBe(200);
    await app.admin.delete(`/api/v1/api-clients/${gone.id}`);
    expectError(await sync(tokens.access_token), 401, 'invalid_token');
    expectError(await sync(own.body.access_token), 401, 'invalid_token');
    expect((await refresh(tokens.refresh_token, {}, gone)).status).toBe(401);
  });
});

it('of two secrets both work while they overlap, and no other', async () => {
  const rotating = await createClient(app.admin);
  const form = { grant_type: 'client_credentials', scope: 'sync:read' };
  const rotate = (overlapSeconds: number) =>
    app.admin.post(`/api/v1/api-clients/${rotating.id}/secret`, { overlapSeconds });
  const { secret } = (await rotate(60)).body;
  expect((await exchange(form, rotating)).status).toBe(200);
  expect((await exchange(form, { ...rotating, secret })).status).toBe(200);
  const { secret: last } = (await rotate(0)).body;
  expect((await exchange(form, rotating)).status).toBe(401);
  expect((await exchange(form, { ...rotating, secret })).status).toBe(401);
  expect((await exchange(form, { ...rotating, secret: last })).status).toBe(200);
});

describe('the forms', () => {
  const begin = async () => {
    const browser = new Browser(app.url);
    const { location } = await browser.follow(
      await browser.request(authorizeUrl(authorization(client, pkce().challenge))),
    );
    return { browser, location };
  };
  const login = { account: 'dev-1', password: PASSWORD, action: 'login' };

  it('are taken from the browser and the site that they were shown to only', async () => {
    const { browser, location } = await begin();
    expect((await new Browser(app.url).post(location, login)).status).toBe(400);
    expect((await (await begin()).browser.post(location, login)).status).toBe(400);
    expect((await browser.post(location, login, { origin: 'https://evil.example' })).status).toBe(400);
    expect((await browser.post(location, login, { 'sec-fetch-site': 'cross-site' })).status).toBe(400);
    // Nobody is logged in by a form that was not shown for that.
    expect((await browser.post(location, { action: 'allow' })).status).toBe(400);
    const right = await browser.post(location, login, { origin: app.url, 'sec-fetch-site': 'same-origin' });
    expect(right.status).toBe(303);
  });

  it('are in no frame, and run no script', async () => {
    const { browser, location } = await begin();
    const { headers } = await browser.request(location);
    expect(headers.get('content-security-policy')).toMatch(
      /default-src 'none'.*form-action 'self' https:\/\/planner\.example; frame-ancestors 'none'/,
    );
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-request-id')).toMatch(/./);
  });

  it('give the browser another session when somebody logs in', async () => {
    const { browser, location } = await begin();
    const before = browser.cookies.get('tidemark_login')?.value;
    await browser.follow(await browser.post(location, login));
    const after = browser.cookies.get('tidemark_login')?.value;
    expect(after).toMatch(/./);
    expect(after).not.toBe(before);
  });
});
