import { beforeAll, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { Api, RECORDS } from '../support/api.js';
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
import { sendRaw } from '../support/raw-http.js';
import { app } from './app.js';

/*
 * What client libraries that do not know this server expect of it.
 */

const DEVELOPER = 'standard';
let client: Client;
let publicClient: Client;
let reader: Client;

beforeAll(async () => {
  client = await createClient(app.admin);
  publicClient = await createClient(app.admin, { public: true });
  reader = await createClient(app.admin, { scopes: ['sync:read'] });
  expect((await setPassword(app.admin, DEVELOPER)).status).toBe(204);
});

const CLIENTS = '/api/v1/api-clients';

/** Parameters without those that are undefined. */
const defined = (parameters: Record<string, string | undefined>) =>
  Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;

/** Posts JSON, authenticated as the client by its parameters. */
const postJson = (path: string, { id, secret }: Client, body: object) =>
  new Api(app.url).post(path, { client_id: id, ...(secret !== null && { client_secret: secret }), ...body });

describe('scope left out or empty (RFC 6749, section 3.3)', () => {
  it.each([
    [undefined, 'sync:read sync:write', () => client],
    ['', 'sync:read sync:write', () => publicClient],
    [undefined, 'sync:read', () => reader],
  ])('at a login, scope=%s means %s: what the client may have', async (scope, granted, get) => {
    const { verifier, challenge } = pkce();
    const parameters = defined({ ...authorization(get(), challenge), scope });
    const browser = new Browser(app.url);
    const start = await browser.follow(await browser.request(authorizeUrl(parameters)));
    const login = { account: DEVELOPER, password: 'a password of the tests', action: 'login' };
    const consent = await browser.follow(await browser.post(start.location, login));
    const page = await consent.response.text();
    expect(page).toContain('Read your records');
    expect(page.includes('Create, change, delete')).toBe(granted.includes('sync:write'));
    const { location } = await browser.follow(await browser.post(consent.location, { action: 'allow' }));
    const { body } = await post(app.url, '/oauth/token', get(), {
      grant_type: 'authorization_code',
      code: new URL(location).searchParams.get('code')!,
      redirect_uri: get().redirectUri,
      code_verifier: verifier,
    });
    expect(body.scope).toBe(granted);
    expect(decodeJwt(body.access_token).scope).toBe(granted);
    expect(body.id_token).toBeUndefined();
  });

  it.each<Record<string, string>>([{}, { scope: '' }])(
    'of client credentials means the same: %j',
    async (scope) => {
      const ask = async (by: Client) =>
        (await post(app.url, '/oauth/token', by, { grant_type: 'client_credentials', ...scope })).body;
      expect(await ask(client)).toMatchObject({ scope: 'sync:read sync:write' });
      expect(await ask(reader)).toMatchObject({ scope: 'sync:read' });
    },
  );
});

describe('JSON bodies', () => {
  it('exchange a code, refresh, introspect and revoke as forms do', async () => {
    for (const by of [client, publicClient]) {
      const { verifier, challenge } = pkce();
      const end = await authorize(new Browser(app.url), authorization(by, challenge), DEVELOPER);
      const tokens = await postJson('/oauth/token', by, {
        grant_type: 'authorization_code',
        code: end.searchParams.get('code'),
        redirect_uri: by.redirectUri,
        code_verifier: verifier,
        scope: null,
      });
      expect(tokens).toMatchObject({ status: 200, body: { scope: 'sync:read sync:write' } });
      const { refresh_token } = tokens.body;
      const refreshed = await postJson('/oauth/token', by, { grant_type: 'refresh_token', refresh_token });
      expect(refreshed.status).toBe(200);
      const { access_token: token } = refreshed.body;
      expect((await postJson('/oauth/introspect', by, { token })).body).toMatchObject({ active: true });
      expect(await postJson('/oauth/revoke', by, { token })).toMatchObject({ status: 200, body: {} });
      expect((await postJson('/oauth/introspect', by, { token })).body).toEqual({ active: false });
    }
  });

  it.each([
    ['no JSON', '{"grant_type":'],
    ['nothing', ''],
    ['a list', '["grant_type"]'],
    ['null', 'null'],
    ['a text', '"grant_type=client_credentials"'],
    ['a number in it', '{"grant_type":1}'],
    ['a list in it', '{"grant_type":["client_credentials"]}'],
  ])('are refused in the shape of OAuth: %s', async (_name, body) => {
    for (const path of ['/oauth/token', '/oauth/revoke'])
      expect(await new Api(app.url).post(path, body)).toMatchObject({
        status: 400,
        body: { error: 'invalid_request', error_description: expect.stringMatching(/JSON|body/i) },
      });
  });

  it('are limited', async () => {
    const answer = await postJson('/oauth/token', client, { grant_type: 'x'.repeat(16_384) });
    expect(answer).toMatchObject({ status: 413, body: { error: 'invalid_request' } });
  });

  it('leave the connection to the next request, with a length and in chunks', async () => {
    const { id, secret } = client;
    const json = JSON.stringify({ grant_type: 'client_credentials', client_id: id, client_secret: secret });
    const head = 'POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n';
    const answers = await sendRaw(
      app.url,
      `${head}Content-Length: ${json.length}\r\n\r\n${json}` +
        `${head}Transfer-Encoding: chunked\r\n\r\n${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n` +
        'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(JSON.parse(answers[1].body)).toMatchObject({ token_type: 'Bearer' });
  });
});

it('revocation answers {} as JSON, also for a token that does not exist', async () => {
  const { access_token, refresh_token } = await getTokens(app.url, client, DEVELOPER);
  for (const token of [
    (await getOwnTokens(app.url, client)).access_token,
    refresh_token,
    access_token,
    'x',
  ]) {
    const { status, headers, body } = await post(app.url, '/oauth/revoke', client, { token });
    expect({ status, body }).toEqual({ status: 200, body: {} });
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  }
});

describe('PKCE', () => {
  const withoutPkce = (by: Client) =>
    defined({ ...authorization(by, ''), code_challenge: undefined, code_challenge_method: undefined });
  const start = async (parameters: Record<string, string>) =>
    (await new Browser(app.url).request(authorizeUrl(parameters))).headers.get('location')!;
  const exchange = (by: Client, end: URL, more: Record<string, string> = {}) =>
    post(app.url, '/oauth/token', by, {
      grant_type: 'authorization_code',
      code: end.searchParams.get('code')!,
      redirect_uri: by.redirectUri,
      ...more,
    });

  it('is required by default', async () => {
    for (const by of [client, publicClient]) {
      const { searchParams } = new URL(await start(withoutPkce(by)));
      expect(searchParams.get('error')).toBe('invalid_request');
      expect(searchParams.get('error_description')).toContain('PKCE');
    }
  });

  it('may be left out by a confidential client for which it is optional, until it is required again', async () => {
    const old = await createClient(app.admin, { pkce: 'optional' });
    const end = await authorize(new Browser(app.url), withoutPkce(old), DEVELOPER);
    const { status, body } = await exchange(old, end);
    expect(status).toBe(200);
    expect((await new Api(app.url, body.access_token).get(RECORDS)).status).toBe(200);

    const changed = await app.admin.patch(`${CLIENTS}/${old.id}`, { pkce: 'required' });
    expect(changed).toMatchObject({ status: 200, body: { pkce: 'required' } });
    expect(new URL(await start(withoutPkce(old))).searchParams.get('error')).toBe('invalid_request');
  });

  it('holds where such a client uses it: no code without its verifier, no verifier without a challenge', async () => {
    const old = await createClient(app.admin, { pkce: 'optional' });
    const { verifier, challenge } = pkce();
    const used = await authorize(new Browser(app.url), authorization(old, challenge), DEVELOPER);
    expect((await exchange(old, used)).body).toMatchObject({ error: 'invalid_grant' });
    const unused = await authorize(new Browser(app.url), withoutPkce(old), DEVELOPER);
    expect((await exchange(old, unused, { code_verifier: verifier })).body).toMatchObject({
      error: 'invalid_grant',
    });
  });

  it('is not optional for a public client, and the audit log has the choice', async () => {
    const settings = { name: 'x', developerId: 'planner-inc', scopes: ['sync:read'] };
    const refused = await app.admin.post(CLIENTS, { ...settings, public: true, pkce: 'optional' });
    expectError(refused, 400, 'invalid_request', 'PKCE');
    const changed = await app.admin.patch(`${CLIENTS}/${publicClient.id}`, { name: 'y', pkce: 'optional' });
    expectError(changed, 400, 'invalid_request', 'PKCE');
    expect((await app.admin.get(`${CLIENTS}/${publicClient.id}`)).body).toMatchObject({
      name: 'Route planner',
      pkce: 'required',
    });
    for (const pkce of ['none', null, true])
      expectError(await app.admin.post(CLIENTS, { ...settings, pkce }), 400, 'invalid_request', 'pkce');

    const { id } = await createClient(app.admin, { pkce: 'optional' });
    const { body } = await app.admin.get('/api/v1/audit-log?action=client.created&limit=100');
    const line = body.data.find(({ targetId }: { targetId: string }) => targetId === id);
    expect(line.details).toEqual({ scopes: ['sync:read', 'sync:write'], pkce: 'optional' });
  });
});

describe('OpenID Connect: a login to an application', () => {
  const keys = () => createRemoteJWKSet(new URL(`${app.url}/oauth/jwks`));
  const verify = (token: string, by: Client) =>
    jwtVerify(token, keys(), { issuer: app.url, audience: by.id, algorithms: ['ES256'] });
  const getIdTokens = (by: Client, changes: Record<string, string>) =>
    getTokens(app.url, by, DEVELOPER, changes) as Promise<
      Awaited<ReturnType<typeof getTokens>> & { id_token: string }
    >;

  it.each([
    ['confidential', () => client],
    ['public', () => publicClient],
  ])(
    'gives a %s client an ID token beside the tokens for the API, and again at a refresh',
    async (_kind, get) => {
      const tokens = await getIdTokens(get(), { scope: 'openid sync:read', nonce: 'a-nonce' });
      expect(tokens.scope).toBe('openid sync:read');
      const { payload } = await verify(tokens.id_token, get());
      expect(payload).toEqual({
        iss: app.url,
        aud: get().id,
        sub: DEVELOPER,
        nonce: 'a-nonce',
        iat: expect.any(Number),
        exp: payload.iat! + 3_600,
      });
      expect(decodeJwt(tokens.access_token).scope).toBe('openid sync:read');
      expect((await new Api(app.url, tokens.access_token).get(RECORDS)).status).toBe(200);

      const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
      const { body } = await post(app.url, '/oauth/token', get(), refresh);
      expect(body.scope).toBe('openid sync:read');
      expect((await verify(body.id_token, get())).payload.sub).toBe(DEVELOPER);
    },
  );

  it('alone asks for the developer ID, and opens nothing of the API', async () => {
    const login = await createClient(app.admin, { name: 'Wiki' });
    const { verifier, challenge } = pkce();
    const browser = new Browser(app.url);
    // As many libraries ask. Other scopes of OpenID Connect do not exist here.
    const parameters = authorization(login, challenge, { scope: 'openid profile email' });
    const start = await browser.follow(await browser.request(authorizeUrl(parameters)));
    const form = { account: DEVELOPER, password: 'a password of the tests', action: 'login' };
    const consent = await browser.follow(await browser.post(start.location, form));
    const list = /<ul>[^]*<\/ul>/.exec(await consent.response.text())![0];
    expect(list.match(/<li>[^<]*/g)).toEqual(['<li>Know your developer ID']);
    const { location } = await browser.follow(await browser.post(consent.location, { action: 'allow' }));
    const { body } = await post(app.url, '/oauth/token', login, {
      grant_type: 'authorization_code',
      code: new URL(location).searchParams.get('code')!,
      redirect_uri: login.redirectUri,
      code_verifier: verifier,
    });
    expect(body.scope).toBe('openid');
    expect((await verify(body.id_token, login)).payload.sub).toBe(DEVELOPER);
    expectError(await new Api(app.url, body.access_token).get(RECORDS), 403, 'insufficient_scope');
    const { body: grants } = await app.admin.get(`/api/v1/grants?developerId=${DEVELOPER}&limit=100`);
    const grant = grants.data.find(({ clientId }: { clientId: string }) => clientId === login.id);
    expect(grant.scopes).toEqual([]);

    // Asked once: the second login passes without a page.
    const again = await browser.follow(
      await browser.request(authorizeUrl({ ...parameters, prompt: 'none' })),
    );
    expect(new URL(again.location).searchParams.has('code')).toBe(true);
    // A scope of the API is a new question.
    const more = await browser.follow(
      await browser.request(authorizeUrl({ ...parameters, scope: 'openid sync:read' })),
    );
    expect(await more.response.text()).toContain('Read your records');
  });

  it('says when the developer logged in, if asked, and that none did', async () => {
    const { id_token } = await getIdTokens(client, { scope: 'openid', max_age: '100' });
    const { auth_time, iat } = decodeJwt(id_token);
    expect(iat! - Number(auth_time)).toBeLessThan(100);
    const silent = authorization(client, pkce().challenge, { scope: 'openid', prompt: 'none' });
    const { location } = await new Browser(app.url).follow(
      await new Browser(app.url).request(authorizeUrl(silent)),
    );
    expect(new URL(location).searchParams.get('error')).toBe('login_required');
  });

  it('gives an ID token that is no credential', async () => {
    const { id_token: token } = await getIdTokens(client, { scope: 'openid sync:read' });
    expectError(await new Api(app.url, token).get(RECORDS), 401, 'invalid_token');
    expect((await post(app.url, '/oauth/introspect', client, { token })).body).toEqual({ active: false });
  });

  it('is confirmed at the userinfo endpoint, as long as the grant lasts', async () => {
    const ask = (token?: string, method = 'GET') =>
      new Api(app.url, token).request(method, '/oauth/userinfo');
    const login = await createClient(app.admin);
    const tokens = await getIdTokens(login, { scope: 'openid' });
    for (const method of ['GET', 'POST']) {
      const answer = await ask(tokens.access_token, method);
      expect(answer).toMatchObject({ status: 200, body: { sub: DEVELOPER } });
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
    const { access_token } = await getTokens(app.url, client, DEVELOPER);
    const developer = await app.developer(DEVELOPER);
    for (const [token, status, error] of [
      [access_token, 403, 'insufficient_scope'],
      [(await getOwnTokens(app.url, client)).access_token, 403, 'insufficient_scope'],
      [tokens.id_token, 401, 'invalid_token'],
      [developer.key, 401, 'invalid_token'],
      ['x', 401, 'invalid_token'],
      [undefined, 401, 'invalid_request'],
    ] as const) {
      const answer = await ask(token);
      expect(answer).toMatchObject({ status, body: { error, error_description: expect.any(String) } });
      expect(answer.headers.get('www-authenticate')).toBe(`Bearer realm="tidemark", error="${error}"`);
    }
    await post(app.url, '/oauth/revoke', login, { token: tokens.refresh_token });
    expect((await ask(tokens.access_token)).status).toBe(401);
  });

  it('is nothing that client credentials can ask for', async () => {
    const form = { grant_type: 'client_credentials', scope: 'openid' };
    expect(await post(app.url, '/oauth/token', client, form)).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope' },
    });
  });

  it('is announced as it is', async () => {
    const { body } = await new Api(app.url).get('/.well-known/openid-configuration');
    expect(body).toMatchObject({
      scopes_supported: expect.arrayContaining(['openid', 'sync:read', 'sync:write']),
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      claims_supported: expect.arrayContaining(['sub', 'iss', 'auth_time']),
    });
    expect(body.scopes_supported).toHaveLength(3);
    expect(body.userinfo_endpoint).toBe(`${app.url}/oauth/userinfo`);
  });
});
