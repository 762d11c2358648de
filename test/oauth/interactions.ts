import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Client, createClient } from '../support/api-clients.js';
import {
  authorization,
  authorize,
  authorizeUrl,
  Browser,
  PASSWORD,
  pkce,
  post,
  setPassword,
} from '../support/oauth.js';
import { app } from './app.js';

let client: Client;

beforeAll(async () => {
  client = await createClient(app.admin);
});

const start = (
  changes: Record<string, string> = {},
  address = '192.0.2.100',
  browser = new Browser(app.url),
) =>
  browser.request(authorizeUrl(authorization(client, pkce().challenge, changes)), {
    headers: { 'x-forwarded-for': address },
  });

const interactions = async () =>
  (await app.dataSource.query(`SELECT FROM oauth_states WHERE model = 'Interaction'`)).length;

describe('an authorization request', () => {
  it.each([
    ['state', { state: 'x'.repeat(2_049) }],
    ['login_hint', { login_hint: 'x'.repeat(513) }],
    ['request', { state: 'x'.repeat(2_000), ui_locales: 'x'.repeat(6_000) }],
  ])('with a %s of too many characters is refused, and nothing is stored', async (name, changes) => {
    const before = await interactions();
    const { status, headers } = await start(changes);
    const { searchParams, origin } = new URL(headers.get('location')!);
    expect([status, origin, searchParams.get('error')]).toEqual([
      303,
      'https://planner.example',
      'invalid_request',
    ]);
    expect(searchParams.get('error_description')).toContain(`the ${name} must not be longer than`);
    expect(await interactions()).toBe(before);
  });

  it('may have long parameters, which come back', async () => {
    await setPassword(app.admin, 'dev-long');
    const state = 'x'.repeat(2_048);
    const changes = { state, login_hint: 'x'.repeat(512), ui_locales: 'x'.repeat(2_048) };
    const parameters = authorization(client, pkce().challenge, changes);
    const end = await authorize(new Browser(app.url), parameters, 'dev-long');
    expect(end.searchParams.get('state')).toBe(state);
    expect(end.searchParams.get('code')).toMatch(/./);
  });

  it('can be answered for 15 minutes, and a page without a login stores nothing for longer', async () => {
    await start();
    await new Browser(app.url).request('/oauth/logout');
    const [{ lifetime }] = await app.dataSource.query(`
      SELECT max(extract(epoch FROM expires_at - clock_timestamp()))::float AS lifetime FROM oauth_states
      WHERE account_id IS NULL AND model IN ('Interaction', 'Session')`);
    expect(lifetime).toBeLessThanOrEqual(900);
  });

  it('is one of 600 from its network, then gets 429 with Retry-After; other networks go on', async () => {
    const before = await interactions();
    const statuses: number[] = [];
    let last: Response | undefined;
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        while (!last) {
          // One host can use all of its /64.
          const response = await start({}, `2001:db8:0:2::${statuses.length.toString(16)}`);
          statuses.push(response.status);
          if (response.status === 303) await response.text();
          else last ??= response;
        }
      }),
    );
    expect([last!.status, await last!.text()]).toEqual([429, expect.stringContaining('Too many logins')]);
    expect(Number(last!.headers.get('retry-after'))).toBeGreaterThan(0);
    const begun = statuses.filter((status) => status === 303).length;
    expect(begun).toBeGreaterThanOrEqual(600);
    expect((await interactions()) - before).toBe(begun);
    expect((await start({}, '2001:db8:0:3::1')).status).toBe(303);
  });
});

describe('a password change ends', () => {
  const NEW = 'another password of the tests';
  let browser: Browser;
  let developerId: string;
  let n = 0;

  beforeEach(async () => {
    browser = new Browser(app.url);
    developerId = `dev-changed-${n++}`;
    await setPassword(app.admin, developerId);
  });

  const change = async () => expect((await setPassword(app.admin, developerId, NEW)).status).toBe(204);

  const begin = async () => (await browser.follow(await start({}, undefined, browser))).location;

  const logIn = (page: string) =>
    browser.post(page, { account: developerId, password: PASSWORD, action: 'login' });

  it('a login that waits for its redirect', async () => {
    const answer = await logIn(await begin());
    expect(answer.status).toBe(303);
    await change();
    const { response } = await browser.follow(answer);
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('did not work')]);
  });

  it('a login that waits for its consent', async () => {
    const { location } = await browser.follow(await logIn(await begin()));
    await change();
    expect((await browser.request(location)).status).toBe(400);
    expect((await browser.post(location, { action: 'allow' })).status).toBe(400);
  });

  it('a code that is not redeemed', async () => {
    const { verifier, challenge } = pkce();
    const end = await authorize(browser, authorization(client, challenge), developerId);
    await change();
    const answer = await post(app.url, '/oauth/token', client, {
      grant_type: 'authorization_code',
      code: end.searchParams.get('code')!,
      redirect_uri: client.redirectUri,
      code_verifier: verifier,
    });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  });

  it('a login whose state is stored after the change, by a request that began before it', async () => {
    const { location } = await browser.follow(await logIn(await begin()));
    await app.dataSource.query(`CREATE TABLE stored AS TABLE oauth_states`);
    await change();
    await app.dataSource.query(`INSERT INTO oauth_states TABLE stored ON CONFLICT DO NOTHING`);
    await app.dataSource.query('DROP TABLE stored');
    expect((await browser.request(location)).status).toBe(400);
    const page = await (await browser.follow(await start({}, undefined, browser))).response.text();
    expect(page).toContain('name="password"');
  });

  it('no grant, and no login that begins after it', async () => {
    await authorize(browser, authorization(client, pkce().challenge), developerId);
    await change();
    const end = await authorize(browser, authorization(client, pkce().challenge), developerId, NEW);
    expect(end.searchParams.get('code')).toMatch(/./);
    const { body } = await app.admin.get(`/api/v1/grants?developerId=${developerId}`);
    expect(body.total).toBeGreaterThan(0);
  });
});
