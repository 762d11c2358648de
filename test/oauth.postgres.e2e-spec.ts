import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { Client as PgClient } from 'pg';
import { hashSecret } from '../src/clients/secrets.js';
import { Api } from './support/api.js';
import { type Client, createClient } from './support/api-clients.js';
import {
  authorization,
  authorize,
  authorizeUrl,
  Browser,
  getOwnTokens,
  getTokens,
  PASSWORD,
  pkce,
  post,
  setPassword,
} from './support/oauth.js';
import { createDatabase, ServerProcess, type TestDatabase } from './support/server.js';
import { until } from './support/until.js';

let database: TestDatabase;
let servers: ServerProcess[];
let client: Client;

/** Both are behind one address, and start at once on a database without keys. */
beforeAll(async () => {
  database = await createDatabase();
  const env = { ...database.env, PUBLIC_URL: 'http://sync.example' };
  servers = await Promise.all([ServerProcess.start(env), ServerProcess.start(env)]);
  client = await createClient(servers[0].admin);
  await setPassword(servers[0].admin, 'dev-1');
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await database.drop();
});

const sync = (server: ServerProcess, token: string) =>
  new Api(server.url, token).sync({ since: '1970-01-01T00:00:00Z' });

const isRefused = async (server: ServerProcess, token: string) => (await sync(server, token)).status === 401;

it('processes that start at once have the same keys, and follow a rotation', async () => {
  const kids = async ({ url }: ServerProcess) => {
    const { body } = await new Api(url).get('/oauth/jwks');
    return JSON.parse(body).keys.map(({ kid }: { kid: string }) => kid);
  };
  const [first] = await kids(servers[0]);
  expect(await kids(servers[1])).toEqual([first]);
  await servers[0].admin.post('/api/v1/oauth/signing-keys', { overlapSeconds: 60 });
  const tokens = await getTokens(servers[0].url, client, 'dev-1');
  expect(decodeProtectedHeader(tokens.access_token).kid).not.toBe(first);
  // A key that a process has not heard of is looked for.
  expect((await sync(servers[1], tokens.access_token)).status).toBe(200);
  await until(async () => (await kids(servers[1])).length === 2);
});

it('a login that begins at one process, just after a rotation, goes on at another', async () => {
  await new Api(servers[1].url).get('/oauth/jwks');
  await servers[0].admin.post('/api/v1/oauth/signing-keys', {});
  const browser = new Browser(servers[0].url);
  const { location } = await browser.follow(
    await browser.request(authorizeUrl(authorization(client, pkce().challenge))),
  );
  const elsewhere = new Browser(servers[1].url);
  for (const [name, cookie] of browser.cookies) elsewhere.cookies.set(name, cookie);
  const page = await elsewhere.request(location);
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('name="password"')]);
});

it.each([1, 2, 3])(
  'of a code that two processes get at once, one makes tokens, and nothing is left of them',
  async () => {
    const { verifier, challenge } = pkce();
    const end = await authorize(new Browser(servers[0].url), authorization(client, challenge), 'dev-1');
    const form = {
      grant_type: 'authorization_code',
      code: end.searchParams.get('code')!,
      redirect_uri: client.redirectUri,
      code_verifier: verifier,
    };
    const answers = await Promise.all(servers.map(({ url }) => post(url, '/oauth/token', client, form)));
    const good = answers.filter(({ status }) => status === 200);
    expect(good.length).toBeLessThanOrEqual(1);
    expect(answers.filter(({ status }) => status === 400).length).toBe(2 - good.length);
    for (const { body } of good) {
      for (const server of servers) await until(() => isRefused(server, body.access_token));
    }
  },
);

it.each([1, 2, 3])(
  'of a refresh token that two processes get at once, one makes tokens, and nothing is left of them',
  async () => {
    const { refresh_token, access_token } = await getTokens(servers[0].url, client, 'dev-1');
    const form = { grant_type: 'refresh_token', refresh_token };
    const answers = await Promise.all(servers.map(({ url }) => post(url, '/oauth/token', client, form)));
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    for (const server of servers) await until(() => isRefused(server, access_token));
  },
);

it('a password change at one process ends a login that is half done at the other', async () => {
  await setPassword(servers[0].admin, 'dev-half');
  const browser = new Browser(servers[0].url);
  const { location } = await browser.follow(
    await browser.request(authorizeUrl(authorization(client, pkce().challenge))),
  );
  const login = { account: 'dev-half', password: PASSWORD, action: 'login' };
  const { location: consent } = await browser.follow(await browser.post(location, login));
  expect((await browser.request(consent)).status).toBe(200);
  await setPassword(servers[1].admin, 'dev-half', 'another password of the tests');
  expect((await browser.post(consent, { action: 'allow' })).status).toBe(400);
});

it('wrong logins of one network are counted and spaced in all processes together', async () => {
  const pages = await Promise.all(
    servers.map(async ({ url }) => {
      const browser = new Browser(url);
      const { location } = await browser.follow(
        await browser.request(authorizeUrl(authorization(client, pkce().challenge))),
      );
      const form = { account: 'dev-spaced', password: 'wrong password', action: 'login' };
      return async () => (await browser.post(location, form)).status;
    }),
  );
  for (let n = 0; n < 12; n++) expect(await pages[n % 2]()).toBe(401);
  const session = new PgClient({ connectionString: database.env.DATABASE_URL });
  await session.connect();
  const { rows } = await session.query(
    `SELECT attempts, slot_at IS NOT NULL AS "isDelayed" FROM login_attempts
     WHERE key = ANY($1) ORDER BY attempts`,
    [['account dev-spaced', 'account dev-spaced network 127.0.0.1'].map(hashSecret)],
  );
  await session.end();
  expect(rows).toEqual([
    { attempts: 0, isDelayed: true },
    { attempts: 12, isDelayed: false },
  ]);
});

it('a token of client credentials that is revoked at one process ends at the other', async () => {
  const { access_token: token } = await getOwnTokens(servers[0].url, client);
  for (const server of servers) expect((await sync(server, token)).status).toBe(200);
  expect((await post(servers[0].url, '/oauth/revoke', client, { token })).status).toBe(200);
  expect((await sync(servers[0], token)).status).toBe(401);
  await until(() => isRefused(servers[1], token));
});

it('a token that is signed with a new key works, and ends, where nobody knows that key yet', async () => {
  await sync(servers[1], (await getTokens(servers[0].url, client, 'dev-1')).access_token);
  // Anybody can send tokens of a key that does not exist.
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forged = `${encode({ alg: 'ES256', kid: 'x' })}.${encode({ iss: 'http://sync.example' })}.x`;
  for (let n = 0; n < 3; n++) {
    await servers[0].admin.post('/api/v1/oauth/signing-keys', {});
    const { access_token: token } = await getOwnTokens(servers[0].url, client);
    const tokens = [forged, ...Array<string>(10).fill(token)];
    const answers = await Promise.all(tokens.map((each) => sync(servers[1], each)));
    expect(answers.map(({ status }) => status)).toEqual([401, ...Array<number>(10).fill(200)]);
  }
  await sync(servers[1], forged);
  await servers[0].admin.post('/api/v1/oauth/signing-keys', {});
  const { access_token: token } = await getOwnTokens(servers[0].url, client);
  await sync(servers[1], forged);
  expect((await post(servers[1].url, '/oauth/introspect', client, { token })).body).toMatchObject({
    active: true,
  });
  await post(servers[1].url, '/oauth/revoke', client, { token });
  await until(() => isRefused(servers[0], token));
});

it('a grant that is withdrawn at one process ends at the other', async () => {
  const { access_token } = await getTokens(servers[0].url, client, 'dev-1');
  for (const server of servers) expect((await sync(server, access_token)).status).toBe(200);
  const { body } = await servers[0].admin.get('/api/v1/grants?developerId=dev-1&limit=100');
  for (const { id } of body.data) await servers[0].admin.delete(`/api/v1/grants/${id}`);
  expect((await sync(servers[0], access_token)).status).toBe(401);
  await until(() => isRefused(servers[1], access_token));
});
