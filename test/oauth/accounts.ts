import { beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import type { TidemarkDataSource } from '../../src/database/tidemark-data-source.js';
import { ExpiryService } from '../../src/oauth/expiry.service.js';
import { Grant } from '../../src/tokens/grant.entity.js';
import { Histories } from '../../src/histories/histories.js';
import { GrantsService } from '../../src/tokens/grants.service.js';
import { Api } from '../support/api.js';
import { type Client, createClient } from '../support/api-clients.js';
import { expectError } from '../support/errors.js';
import {
  authorization,
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

beforeAll(async () => {
  client = await createClient(app.admin);
  await setPassword(app.admin, 'person-1');
});

/** A login page, and how to answer it from an address. */
async function loginPage() {
  const browser = new Browser(app.url);
  const { location } = await browser.follow(
    await browser.request(authorizeUrl(authorization(client, pkce().challenge))),
  );
  return (account: string, password: string, address: string) =>
    browser.post(location, { account, password, action: 'login' }, { 'x-forwarded-for': address });
}

describe('an invite', () => {
  const invite = async (developerId: string, body: object = {}) =>
    app.admin.post(`/api/v1/developers/${developerId}/invites`, body);

  it('lets a developer choose a password, once, also when it is used twice at once', async () => {
    const { status, body } = await invite('dev-invited');
    expect(status).toBe(201);
    const browser = new Browser(app.url);
    const page = await browser.request(body.url);
    expect(await page.text()).toContain('dev-invited');
    const token = new URL(body.url).searchParams.get('token')!;
    expect((await browser.post('/oauth/invite', { token, password: 'short' })).status).toBe(400);
    const passwords = ['the first password', 'the second password'];
    const answers = await Promise.all(
      passwords.map((password) => browser.post('/oauth/invite', { token, password })),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 404]);
    expect((await browser.request(body.url)).status).toBe(404);
    const used = await browser.post('/oauth/invite', { token, password: PASSWORD });
    expect([used.status, await used.text()]).toEqual([404, expect.stringContaining('for a new one')]);
    const answer = await loginPage();
    const logins = await Promise.all(
      passwords.map((password) => answer('dev-invited', password, '192.0.2.1')),
    );
    expect(logins.map((login) => login.status).sort()).toEqual([303, 401]);
  });

  it('ends when another one is used, also at once, and when a password is set', async () => {
    const take = async ({ body }: { body: { url: string } }, password: string) => {
      const token = new URL(body.url).searchParams.get('token')!;
      return (await new Browser(app.url).post('/oauth/invite', { token, password })).status;
    };
    const invites = [await invite('dev-twice'), await invite('dev-twice'), await invite('dev-twice')];
    const others = await invite('dev-other');
    const used = await Promise.all(
      invites.slice(0, 2).map((link, i) => take(link, `a password of ${i} of two`)),
    );
    expect(used.sort()).toEqual([200, 404]);
    expect(await take(invites[2], PASSWORD)).toBe(404);
    const late = await invite('dev-twice');
    expect(await setPassword(app.admin, 'dev-twice')).toMatchObject({ status: 204 });
    expect(await take(late, 'a password of a thief')).toBe(404);
    expect(await take(others, PASSWORD)).toBe(200);
  });

  it('lets its developer try 20 passwords, then gets 429 with Retry-After', async () => {
    const { body } = await invite('dev-tries');
    const form = { token: new URL(body.url).searchParams.get('token')!, password: 'password1234' };
    const attempt = () => new Browser(app.url).post('/oauth/invite', form);
    for (let n = 0; n < 20; n++) expect((await attempt()).status).toBe(400);
    const { status, headers } = await attempt();
    expect(status).toBe(429);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('is stored as a hash, works for a while only, and is made by admins', async () => {
    const { body } = await invite('dev-late', { expiresInSeconds: 60 });
    const token = new URL(body.url).searchParams.get('token')!;
    const rows = await app.dataSource.query('SELECT * FROM invites');
    expect(JSON.stringify(rows)).not.toContain(token);
    await app.dataSource.query(`UPDATE invites SET expires_at = now() - interval '1 second'`);
    expect((await new Browser(app.url).request(body.url)).status).toBe(404);
    expectError(
      await invite('dev-late', { expiresInSeconds: 1 }),
      400,
      'invalid_request',
      'expiresInSeconds',
    );
    const developer = await app.developer('dev-late');
    expectError(await developer.post('/api/v1/developers/dev-late/invites', {}), 403, 'insufficient_scope');
  });
});

describe('a password', () => {
  it('is stored with Argon2id, and changed by admins, which ends logins', async () => {
    const browser = new Browser(app.url);
    await getTokens(app.url, client, 'person-1', {}, browser);
    const again = await browser.request(authorizeUrl(authorization(client, pkce().challenge)));
    expect(again.headers.get('location')).toContain('https://planner.example/callback?code=');
    expect((await setPassword(app.admin, 'person-1')).status).toBe(204);
    const [{ hash }] = await app.dataSource.query(
      `SELECT hash FROM passwords JOIN developers ON developers.user_id = passwords.user_id WHERE developers.developer_id = 'person-1'`,
    );
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    const later = await browser.request(authorizeUrl(authorization(client, pkce().challenge)));
    expect(later.headers.get('location')).toContain('/oauth/interaction/');
    expectError(await setPassword(app.admin, 'person-1', 'short'), 400, 'invalid_request', 'password');
  });

  it('that is wrong is told from an unknown developer by nothing', async () => {
    const answer = await loginPage();
    const strip = (page: string) => page.replace(/value="[^"]*"/g, '');
    const known = await answer('person-1', 'wrong password', '192.0.2.2');
    const unknown = await answer('nobody', 'wrong password', '192.0.2.2');
    const odd = await answer('\0', 'wrong password', '192.0.2.2');
    expect([known.status, unknown.status, odd.status]).toEqual([401, 401, 401]);
    expect(strip(await unknown.text())).toBe(strip(await known.text()));
  });

  it.each([
    ['common', 'person-1', 'P@ssw0rd!2026'],
    ['the name of the account', 'planner-inc', 'planner-inc-2026'],
    ['the name of the service', 'person-1', 'tidemark-tidemark'],
  ])('that is %s is refused, by the API and by the page of an invite', async (_what, developerId, weak) => {
    expectError(await setPassword(app.admin, developerId, weak), 400, 'invalid_request', 'easy to guess');
    const { body } = await app.admin.post(`/api/v1/developers/${developerId}/invites`, {});
    const form = { token: new URL(body.url).searchParams.get('token')!, password: weak };
    const page = await new Browser(app.url).post('/oauth/invite', form);
    expect([page.status, await page.text()]).toEqual([400, expect.stringContaining('easy to guess')]);
    // The link still works.
    const good = await new Browser(app.url).post('/oauth/invite', { ...form, password: PASSWORD });
    expect(good.status).toBe(200);
  });
});

describe('a grant', () => {
  it('is seen and withdrawn by the developer, not by applications and others', async () => {
    const tokens = await getTokens(app.url, client, 'person-1', { scope: 'sync:read sync:write' });
    const own = await app.developer('person-1');
    const stranger = await app.developer('person-2');
    const { body } = await own.get('/api/v1/grants');
    const { grant: id } = decodeJwt(tokens.access_token);
    const grant = body.data.find((one: { id: string }) => one.id === id);
    expect(grant).toMatchObject({
      developerId: 'person-1',
      clientId: client.id,
      clientName: 'Route planner',
      scopes: ['sync:read', 'sync:write'],
    });
    expect((await stranger.get('/api/v1/grants')).body).toMatchObject({ total: 0 });
    expectError(await stranger.get('/api/v1/grants?developerId=person-1'), 403, 'forbidden');
    expectError(await stranger.delete(`/api/v1/grants/${grant.id}`), 404, 'not_found');
    const application = new Api(app.url, tokens.access_token);
    expectError(await application.get('/api/v1/grants'), 403, 'forbidden');
    expectError(await application.delete(`/api/v1/grants/${grant.id}`), 403, 'forbidden');
    expect((await app.admin.get('/api/v1/grants?developerId=person-1')).body.total).toBe(body.total);
    expect((await own.delete(`/api/v1/grants/${grant.id}`)).status).toBe(204);
    expectError(await application.sync({ since: '1970-01-01' }), 401, 'invalid_token');
    const late = await post(app.url, '/oauth/token', client, {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh_token,
    });
    expect(late).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expectError(await own.delete(`/api/v1/grants/${grant.id}`), 404, 'not_found');
  });

  it('of the server’s own client works like a credential of the developer', async () => {
    const docs = {
      id: '00000000-0000-7000-8000-000000000001',
      secret: null,
      redirectUri: `${app.url}/docs/oauth2-redirect.html`,
    };
    const tokens = await getTokens(app.url, docs, 'person-1');
    const { status, body } = await new Api(app.url, tokens.access_token).get('/api/v1/grants');
    expect(status).toBe(200);
    expect(body.data.map(({ clientId }: { clientId: string }) => clientId)).toContain(docs.id);
  });
});

describe('signing keys', () => {
  it('rotate: what the old ones have signed is believed for the overlap; without one, nothing of any older one is', async () => {
    const rotate = (overlapSeconds: number) =>
      app.admin.post('/api/v1/oauth/signing-keys', { overlapSeconds });
    const kids = async () => {
      const { body } = await new Api(app.url).get('/oauth/jwks');
      return JSON.parse(body).keys.map(({ kid }: { kid: string }) => kid);
    };
    const { access_token: old } = await getTokens(app.url, client, 'person-1');
    const [before] = await kids();
    const { status, body } = await rotate(60);
    expect(status).toBe(201);
    expect(await kids()).toEqual([body.id, before]);
    const { access_token: young } = await getTokens(app.url, client, 'person-1');
    for (const token of [old, young])
      expect((await new Api(app.url, token).sync({ since: '1970-01-01' })).status).toBe(200);
    const { body: last } = await rotate(0);
    expect(await kids()).toEqual([last.id]);
    for (const token of [old, young])
      expectError(await new Api(app.url, token).sync({ since: '1970-01-01' }), 401, 'invalid_token');
  });
});

it('removes everything that has expired, at once, and nothing else', async () => {
  for (const name of ['dev-old', 'dev-new']) await app.admin.post(`/api/v1/developers/${name}/invites`, {});
  await (
    await loginPage()
  )('dev-expiry', 'wrong password', '203.0.113.1');
  for (let n = 0; n < 2; n++) await getTokens(app.url, client, 'dev-1');
  await app.dataSource.query(`
    INSERT INTO oauth_states (model, id, payload, expires_at)
    SELECT 'Interaction', 'old ' || n, '{}', now() - interval '1 second' FROM generate_series(1, 2500) n`);
  const tables = ['grants', 'oauth_states', 'invites', 'login_attempts', 'login_origins'];
  const expireOne = (table: string) =>
    app.dataSource.query(
      `UPDATE ${table} SET expires_at = now() - interval '1 second'
       WHERE ctid = (SELECT ctid FROM ${table} WHERE expires_at > now() LIMIT 1)`,
    );
  await expireOne('grants');
  // The states of an expired grant go with it; the one that expires below has a grant that stays.
  await app.dataSource.query(
    'DELETE FROM oauth_states s USING grants g WHERE g.id = s.grant_id AND g.expires_at < now()',
  );
  for (const table of tables.slice(1)) await expireOne(table);
  const count = (condition: string) =>
    Promise.all(
      tables.map(async (table) => {
        const sql = `SELECT count(*)::int AS n FROM ${table} WHERE expires_at ${condition}`;
        return (await app.dataSource.query<[{ n: number }]>(sql))[0].n;
      }),
    );
  const kept = await count('> now()');
  for (const n of [...kept, ...(await count('< now()'))]) expect(n).toBeGreaterThan(0);
  const dataSource = app.dataSource as TidemarkDataSource;
  const grants = new GrantsService(dataSource.getRepository(Grant), new Histories(dataSource));
  await new ExpiryService(dataSource, grants).removeExpired();
  expect(await count('< now()')).toEqual([0, 0, 0, 0, 0]);
  expect(await count('> now()')).toEqual(kept);
});
