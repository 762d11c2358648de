import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Api } from './support/api.js';
import { type Client, createClient } from './support/api-clients.js';
import {
  authorization,
  authorize,
  Browser,
  getTokens,
  PASSWORD,
  pkce,
  post,
  setPassword,
} from './support/oauth.js';
import { startApp, type TestApp } from './support/server.js';

const PREFIX = '/tidemark';
const PUBLIC_URL = `https://sync.example${PREFIX}`;

let app: TestApp;
let proxy: Server;
/** PUBLIC_URL, as far as there is such a host. */
let front: string;
let client: Client;

/** Ends TLS and strips the prefix, as docs/operations.md says. */
beforeAll(async () => {
  app = await startApp({ PUBLIC_URL });
  proxy = createServer((incoming, outgoing) => {
    if (!incoming.url!.startsWith(`${PREFIX}/`)) return outgoing.writeHead(404).end();
    const { method, headers } = incoming;
    const forwarded = request(app.url + incoming.url!.slice(PREFIX.length), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(forwarded);
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  front = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${PREFIX}`;
  client = await createClient(app.admin);
  await setPassword(app.admin, 'dev-1');
});
afterAll(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await app.close();
});

it('behind a proxy that strips the prefix of PUBLIC_URL, the metadata has it in every URL', async () => {
  for (const name of ['oauth-authorization-server', 'openid-configuration']) {
    const metadata = (await (await fetch(`${front}/.well-known/${name}`)).json()) as Record<string, unknown>;
    expect(metadata.issuer).toBe(PUBLIC_URL);
    expect(metadata).not.toHaveProperty('dpop_signing_alg_values_supported');
    const urls = Object.entries(metadata).filter(([, value]) => String(value).startsWith('http'));
    const routes = ['authorize', 'introspect', 'jwks', 'logout', 'revoke', 'token', 'userinfo'];
    expect(urls.map(([, url]) => url).sort()).toEqual([
      PUBLIC_URL,
      ...routes.map((route) => `${PUBLIC_URL}/oauth/${route}`),
    ]);
  }
});

it('… a developer lets an application in, which syncs, refreshes and revokes', async () => {
  const browser = new Browser(front);
  const tokens = await getTokens(front, client, 'dev-1', {}, browser);
  expect((await new Api(front, tokens.access_token).sync('since=1970-01-01')).status).toBe(200);
  for (const [name, { path }] of browser.cookies) {
    expect(name).toMatch(/^__Secure-tidemark_/);
    expect(path).toMatch(/^\/tidemark\/oauth/);
  }
  expect([...browser.cookies.keys()]).toContain('__Secure-tidemark_device');
  const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
  const { status, body } = await post(front, '/oauth/token', client, form);
  expect(status).toBe(200);
  await post(front, '/oauth/revoke', client, { token: body.refresh_token });
  expect((await new Api(front, body.access_token).sync('since=1970-01-01')).status).toBe(401);
});

it('… cookies are for https alone', async () => {
  const parameters = authorization(client, pkce().challenge);
  const answer = await fetch(`${front}/oauth/authorize?${new URLSearchParams(parameters)}`, {
    redirect: 'manual',
  });
  expect(answer.headers.get('location')).toMatch(`${PREFIX}/oauth/interaction/`);
  const cookies = answer.headers.getSetCookie();
  expect(cookies.length).toBeGreaterThan(0);
  for (const cookie of cookies) expect(cookie).toMatch(/; secure; httponly/i);
});

it('… an invite leads to its page', async () => {
  const { body } = await app.admin.post('/api/v1/developers/dev-2/invites', {});
  expect(body.url).toMatch(`${PUBLIC_URL}/oauth/invite?token=`);
  const page = await new Browser(front).request(body.url);
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('dev-2');
});

it('… a developer logs in at the account page, whose links and cookie have the prefix', async () => {
  const browser = new Browser(front);
  const login = await browser.post(
    '/oauth/account',
    { action: 'login', account: 'dev-1', password: PASSWORD },
    { origin: new URL(PUBLIC_URL).origin },
  );
  expect([login.status, login.headers.get('location')]).toEqual([303, `${PREFIX}/oauth/account`]);
  const cookie = browser.cookies.get('__Secure-tidemark_account');
  expect(cookie?.path).toBe(`${PREFIX}/oauth/account`);
  const page = await (await browser.request('/oauth/account')).text();
  expect(page).toContain('<h1>Your account</h1>');
  expect(page).toContain(`href="${PREFIX}/favicon.svg"`);
});

it('… the start page and the page of an unknown path link to addresses with the prefix', async () => {
  for (const path of ['/', '/nothing']) {
    const page = await (await fetch(front + path, { headers: { accept: 'text/html' } })).text();
    expect(page).toContain(`href="${PUBLIC_URL}/docs"`);
  }
  const { links } = (await (await fetch(`${front}/`)).json()) as { links: Record<string, string> };
  for (const link of Object.values(links)) expect(link).toMatch(`${PUBLIC_URL}/`);
});

it('… who logs out has to log in again, and the applications stay', async () => {
  const browser = new Browser(front);
  const tokens = await getTokens(front, client, 'dev-1', {}, browser);
  const page = await (await browser.request('/oauth/logout')).text();
  const [, action] = /<form[^>]* action="([^"]+)"/.exec(page)!;
  const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(page)!;
  expect(action).toBe(`${PUBLIC_URL}/oauth/logout/confirm`);
  const { response } = await browser.follow(await browser.post(action, { xsrf, logout: 'yes' }));
  expect(await response.text()).toContain('Logged out');
  expect((await new Api(front, tokens.access_token).sync('since=1970-01-01')).status).toBe(200);
  const { location } = await browser.follow(
    await browser.request(`/oauth/authorize?${new URLSearchParams(authorization(client, pkce().challenge))}`),
  );
  expect(await (await browser.request(location)).text()).toContain('name="password"');
  // Logging in again gives the same application the same rights.
  await authorize(browser, authorization(client, pkce().challenge), 'dev-1');
});
