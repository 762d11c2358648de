import { beforeAll, expect, it } from '@jest/globals';
import { type Client, createClient } from './support/api-clients.js';
import { useApp } from './support/app.js';
import {
  authorization,
  authorizeUrl,
  Browser,
  getTokens,
  PASSWORD,
  pkce,
  setPassword,
} from './support/oauth.js';

/** A proxy ends TLS. */
const app = useApp({ PUBLIC_URL: 'https://sync.example' });

let client: Client;

beforeAll(async () => {
  client = await createClient(app.admin);
  await setPassword(app.admin, 'dev-1');
});

/** The rules by which a browser accepts a cookie (RFC 6265bis, section 4.1.3), and ours. */
function expectProtected(cookies: string[]): void {
  expect(cookies.length).toBeGreaterThan(0);
  for (const cookie of cookies) {
    expect(cookie).toMatch(/^__(Host|Secure)-/);
    expect(cookie).toMatch(/; secure/i);
    expect(cookie).toMatch(/; httponly/i);
    expect(cookie).toMatch(/; samesite=lax/i);
    expect(cookie).not.toMatch(/; domain=/i);
    if (cookie.startsWith('__Host-')) expect(cookie).toMatch(/; path=\/(;|$)/i);
  }
}

it('over https, a browser accepts the cookies of this host alone: of the session and the device', async () => {
  const browser = new Browser(app.url);
  await getTokens(app.url, client, 'dev-1', {}, browser);
  const names = [...browser.cookies.keys()].filter((name) => name.startsWith('__Host-'));
  expect(names.sort()).toEqual([
    '__Host-tidemark_device',
    '__Host-tidemark_login',
    '__Host-tidemark_login.sig',
  ]);
  const again = await browser.request(authorizeUrl(authorization(client, pkce().challenge)));
  expect(again.headers.get('location')).toContain('?code=');
  expectProtected(again.headers.getSetCookie());
});

it('… that of the account page has its path', async () => {
  const browser = new Browser(app.url);
  const form = { action: 'login', account: 'dev-1', password: PASSWORD };
  const { status, headers } = await browser.post('/oauth/account', form);
  expect(status).toBe(303);
  expectProtected(headers.getSetCookie());
  expect(browser.cookies.get('__Secure-tidemark_account')?.path).toBe('/oauth/account');
});

it('… those of a page have its path, so that logins in two tabs do not disturb each other', async () => {
  const tabs = [new Browser(app.url), new Browser(app.url)];
  const paths = await Promise.all(
    tabs.map(async (browser) => {
      const answer = await browser.request(authorizeUrl(authorization(client, pkce().challenge)));
      expectProtected(answer.headers.getSetCookie());
      const page = answer.headers.get('location')!;
      expect(browser.cookies.get('__Secure-tidemark_request')?.path).toBe(page);
      const login = await browser.post(page, { account: 'dev-1', password: PASSWORD, action: 'login' });
      expect(login.status).toBe(303);
      expectProtected(login.headers.getSetCookie());
      return page;
    }),
  );
  expect(paths[0]).not.toBe(paths[1]);
});
