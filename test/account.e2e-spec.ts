import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Client, createClient } from './support/api-clients.js';
import { useApp } from './support/app.js';
import { Api } from './support/api.js';
import {
  authorization,
  authorizeUrl,
  Browser,
  getTokens,
  PASSWORD,
  pkce,
  post,
  setPassword,
} from './support/oauth.js';

const app = useApp({ TRUST_PROXY: '127.0.0.1' });

const PATH = '/oauth/account';
const NEW = 'another password of the tests';

/** A developer of each test. */
let developerId: string;
let number = 0;
let client: Client;
let browser: Browser;

beforeEach(async () => {
  client ??= await createClient(app.admin);
  developerId = `dev-${++number}`;
  browser = new Browser(app.url);
  await setPassword(app.admin, developerId);
});

const logIn = (password = PASSWORD, by = browser, account = developerId, headers = {}) =>
  by.post(PATH, { action: 'login', account, password }, headers);

const change = (current: string, password: string, by = browser) =>
  by.post(PATH, { action: 'password', current, password });

const textOf = async (response: Response) => (await response.text()).replace(/\s+/g, ' ');

async function openPage(by = browser, query = '') {
  const response = await by.request(PATH + query);
  return { status: response.status, text: await textOf(response) };
}

const isLoggedIn = async (by = browser) => (await openPage(by)).text.includes('>Your account</h1>');

const canLogIn = async (password: string) => (await logIn(password, new Browser(app.url))).status === 303;

const grantsOf = (text: string) => [...text.matchAll(/name="grant" value="([^"]+)"/g)].map(([, id]) => id);

const audited = async () =>
  (await app.admin.get(`/api/v1/audit-log?developerId=${developerId}`)).body.data.filter(
    ({ action }: { action: string }) => action !== 'password.set',
  );

describe('the login of the account page', () => {
  it('needs the password, and ends with a logout', async () => {
    expect((await openPage()).text).toContain('<h1>Log in</h1>');
    const wrong = await logIn('wrong password');
    expect([wrong.status, await textOf(wrong)]).toEqual([
      401,
      expect.stringContaining('The developer ID or the password is wrong.'),
    ]);
    expect(await isLoggedIn()).toBe(false);
    const right = await logIn();
    expect([right.status, right.headers.get('location')]).toEqual([303, PATH]);
    expect(await isLoggedIn()).toBe(true);
    const copy = new Browser(app.url);
    for (const [name, cookie] of browser.cookies) copy.cookies.set(name, cookie);
    expect((await browser.post(PATH, { action: 'logout' })).status).toBe(303);
    expect([await isLoggedIn(), await isLoggedIn(copy)]).toEqual([false, false]);
  });

  it('is throttled like every other login', async () => {
    const from = { 'x-forwarded-for': '192.0.2.50' };
    expect((await logIn('wrong password', browser, developerId, from)).status).toBe(401);
    await app.dataSource.query('UPDATE login_attempts SET attempts = 100');
    const refused = await logIn(PASSWORD, browser, developerId, from);
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true]);
    await app.dataSource.query('DELETE FROM login_attempts');
    expect((await logIn(PASSWORD, browser, developerId, from)).status).toBe(303);
  });

  it('has a cookie of its page alone, of which the database has a hash', async () => {
    const { headers } = await logIn();
    const line = headers.getSetCookie().find((cookie) => cookie.startsWith('tidemark_account='))!;
    expect(line).toMatch(/; Path=\/oauth\/account; Max-Age=900; HttpOnly; SameSite=Lax$/);
    const { value } = browser.cookies.get('tidemark_account')!;
    const rows = await app.dataSource.query(`SELECT * FROM oauth_states WHERE model = 'Account'`);
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toContain(value);
    expect(JSON.stringify(rows)).not.toContain(PASSWORD);
  });

  it('ends after 15 minutes', async () => {
    await logIn();
    await app.dataSource.query(
      `UPDATE oauth_states
       SET payload = jsonb_set(payload::jsonb, '{exp}', to_jsonb(extract(epoch FROM now())::int - 1))
       WHERE model = 'Account' AND account_id = $1`,
      [developerId],
    );
    const answer = await change(PASSWORD, NEW);
    expect([answer.status, await textOf(answer)]).toEqual([401, expect.stringContaining('Log in again.')]);
    expect(await canLogIn(PASSWORD)).toBe(true);
  });

  it('ends when an admin sets the password, and when the developer is erased', async () => {
    await logIn();
    await setPassword(app.admin, developerId);
    expect(await isLoggedIn()).toBe(false);
    await logIn();
    expect(await isLoggedIn()).toBe(true);
    expect((await app.admin.delete(`/api/v1/developers/${developerId}`)).status).toBe(204);
    expect(await isLoggedIn()).toBe(false);
  });

  it('is not the one of applications, which show no account', async () => {
    await getTokens(app.url, client, developerId, {}, browser);
    expect(await isLoggedIn()).toBe(false);
  });

  it('and its forms are taken from this site alone, and not without a login', async () => {
    await logIn();
    await getTokens(app.url, client, developerId);
    const [grant] = grantsOf((await openPage()).text);
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ] as Record<string, string>[])
      for (const form of [
        { action: 'withdraw', grant },
        { action: 'password', current: PASSWORD, password: NEW },
        { action: 'logout' },
        { action: 'login', account: developerId, password: PASSWORD },
      ] as Record<string, string>[])
        expect((await browser.post(PATH, form, headers)).status).toBe(400);
    expect(await isLoggedIn()).toBe(true);
    expect((await new Browser(app.url).post(PATH, { action: 'withdraw', grant })).status).toBe(401);
    expect((await browser.post(PATH, { action: 'other' })).status).toBe(400);
    expect((await browser.post(PATH, {})).status).toBe(400);
    expect(grantsOf((await openPage()).text)).toEqual([grant]);
    expect(await canLogIn(PASSWORD)).toBe(true);
  });
});

describe('a developer changes the password', () => {
  it('with the old one; all other logins end, and this one goes on', async () => {
    const other = new Browser(app.url);
    const application = new Browser(app.url);
    await logIn(PASSWORD, other);
    const tokens = await getTokens(app.url, client, developerId, {}, application);
    await logIn();
    const changed = await change(PASSWORD, NEW);
    expect([changed.status, changed.headers.get('location')]).toEqual([303, `${PATH}?done=password`]);
    expect((await openPage(browser, '?done=password')).text).toContain('Your password is changed.');
    expect([await isLoggedIn(), await isLoggedIn(other)]).toEqual([true, false]);
    const again = await application.request(authorizeUrl(authorization(client, pkce().challenge)));
    expect(again.headers.get('location')).toContain('/oauth/interaction/');
    expect([await canLogIn(PASSWORD), await canLogIn(NEW)]).toEqual([false, true]);
    // Grants stay, as with a password that an admin sets.
    expect((await new Api(app.url, tokens.access_token).sync({ since: '1970-01-01' })).status).toBe(200);
    expect(await audited()).toEqual([
      expect.objectContaining({
        action: 'password.changed',
        actor: { kind: 'account', id: null, developerId },
        developerId,
        details: null,
      }),
      expect.objectContaining({ action: 'grant.created' }),
    ]);
  });

  it('not with a wrong old one, nor to a weak one', async () => {
    await logIn();
    const wrong = await change('wrong password', NEW);
    expect([wrong.status, await textOf(wrong)]).toEqual([
      401,
      expect.stringContaining('The current password is wrong.'),
    ]);
    for (const [weak, problem] of [
      ['short', 'must have 12 to 200 characters'],
      ['P@ssw0rd!2026', 'easy to guess'],
      ['a password with \0 in it', 'must have 12 to 200 characters'],
    ]) {
      const answer = await change(PASSWORD, weak);
      expect([answer.status, await textOf(answer)]).toEqual([400, expect.stringContaining(problem)]);
    }
    expect((await change('x'.repeat(401), NEW)).status).toBe(401);
    expect(await canLogIn(PASSWORD)).toBe(true);
    expect(await audited()).toEqual([]);
  });

  it('and guesses of the old one are throttled', async () => {
    await logIn();
    expect((await change('wrong password', NEW)).status).toBe(401);
    await app.dataSource.query('UPDATE login_attempts SET attempts = 100');
    const refused = await change(PASSWORD, NEW);
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true]);
    await app.dataSource.query('DELETE FROM login_attempts');
    expect(await canLogIn(PASSWORD)).toBe(true);
  });

  it('20 times, then gets 429 with Retry-After', async () => {
    await logIn();
    for (let n = 0; n < 20; n++) expect((await change(PASSWORD, 'password1234')).status).toBe(400);
    const refused = await change(PASSWORD, 'password1234');
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true]);
  });

  it('once, when two changes with the same old one are made at once', async () => {
    const browsers = [browser, new Browser(app.url)];
    for (const by of browsers) await logIn(PASSWORD, by);
    const answers = await Promise.all(browsers.map((by, i) => change(PASSWORD, `${NEW} ${i}`, by)));
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 401]);
    const winner = answers.findIndex(({ status }) => status === 303);
    expect(await canLogIn(`${NEW} ${winner}`)).toBe(true);
    expect(await audited()).toHaveLength(1);
  });
});

describe('a developer sees grants', () => {
  it('with the application, its owner and the scopes, and withdraws one', async () => {
    const tokens = await getTokens(app.url, client, developerId, { scope: 'sync:read' });
    await logIn();
    const { text } = await openPage();
    expect(text).toContain('<strong>Route planner</strong>, of planner-inc');
    expect(text).toContain('Read your records, and records that others share with you');
    expect(text).not.toContain('Create, change, delete');
    const [grant] = grantsOf(text);
    const withdrawn = await browser.post(PATH, { action: 'withdraw', grant });
    expect([withdrawn.status, withdrawn.headers.get('location')]).toEqual([303, `${PATH}?done=withdrawn`]);
    expect((await new Api(app.url, tokens.access_token).sync({ since: '1970-01-01' })).status).toBe(401);
    const refreshed = await post(app.url, '/oauth/token', client, {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh_token,
    });
    expect(refreshed).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expect((await openPage()).text).toContain('No application has access');
    expect((await audited())[0]).toMatchObject({
      action: 'grant.withdrawn',
      actor: { kind: 'account', id: null, developerId },
      targetId: grant,
      developerId,
      details: { clientId: client.id },
    });
    // Again: it is gone already.
    expect((await browser.post(PATH, { action: 'withdraw', grant })).status).toBe(303);
    expect(await audited()).toHaveLength(2);
  });

  it('of their own alone: ids of others and odd ids change nothing', async () => {
    const other = `other-${number}`;
    await setPassword(app.admin, other);
    const tokens = await getTokens(app.url, client, other);
    const [{ id }] = (await app.admin.get(`/api/v1/grants?developerId=${other}`)).body.data;
    await logIn();
    expect(grantsOf((await openPage()).text)).toEqual([]);
    for (const grant of [id, 'unknown', '\0', '', 'x'.repeat(10_000)])
      expect((await browser.post(PATH, { action: 'withdraw', grant })).status).toBe(303);
    expect((await new Api(app.url, tokens.access_token).sync({ since: '1970-01-01' })).status).toBe(200);
  });

  it('20 on a page, the latest first, and none that has expired', async () => {
    await getTokens(app.url, client, developerId);
    const copy = (from: string, to: string, at: string) =>
      app.dataSource.query(
        `INSERT INTO grants (id, user_id, client_id, scopes, payload, created_at, expires_at)
         SELECT 'copy ' || $4::text || n, user_id, client_id, scopes, payload, ${at}
         FROM grants JOIN developers USING (user_id), generate_series($1::int, $2::int) n
         WHERE developer_id = $3 AND id NOT LIKE 'copy%'`,
        [from, to, developerId, developerId],
      );
    await copy('11', '31', `grants.created_at - make_interval(secs => n), expires_at`);
    await copy('90', '91', `grants.created_at, now() - interval '1 second'`);
    await logIn();
    const first = grantsOf((await openPage()).text);
    const { text } = await openPage(browser, '?page=2');
    expect(first).toHaveLength(20);
    expect(first.slice(1, 3)).toEqual([`copy ${developerId}11`, `copy ${developerId}12`]);
    expect(grantsOf(text)).toEqual([30, 31].map((n) => `copy ${developerId}${n}`));
    expect(text).toContain('Page 2 of 2.');
    for (const query of ['?page=0', '?page=x', '?page=1&page=2', '?page=99999999999', '?done=__proto__'])
      expect((await openPage(browser, query)).status).toBe(200);
  });

  it('with names that HTML has to escape', async () => {
    const evil = await createClient(app.admin, { name: '<script>"&' });
    await getTokens(app.url, evil, developerId);
    await logIn();
    const { text } = await openPage();
    expect(text).toContain('&lt;script&gt;&quot;&amp;');
    expect(text).not.toContain('<script');
  });
});
