import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as openid from 'openid-client';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { Api } from '../support/api.js';
import { launchChromium } from '../support/chromium.js';
import { PASSWORD, setPassword } from '../support/oauth.js';
import { createDatabase, ServerProcess, type TestDatabase } from '../support/server.js';

let database: TestDatabase;
let server: ServerProcess;
let browser: Browser;
/** The application: a page to which people come back. */
let application: Server;
let redirectUri: string;

beforeAll(async () => {
  database = await createDatabase();
  server = await ServerProcess.start(database.env);
  application = createServer((_request, response) => response.end('<!doctype html><title>Back</title>'));
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
  redirectUri = `http://127.0.0.1:${(application.address() as AddressInfo).port}/callback`;
  browser = await launchChromium();
  expect((await setPassword(server.admin, 'dev-789')).status).toBe(204);
});
afterAll(async () => {
  await browser?.close();
  await new Promise((resolve) => application?.close(resolve));
  await server?.stop();
  await database?.drop();
});

/** Runs something in a browser without JavaScript, of the smallest width, that nothing may go wrong in. */
async function inBrowser(run: (page: Page) => Promise<void>): Promise<void> {
  const context: BrowserContext = await browser.newContext({
    javaScriptEnabled: false,
    viewport: { width: 320, height: 640 },
  });
  const complaints: string[] = [];
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !message.text().includes('favicon'))
      complaints.push(message.text());
  });
  await run(page);
  expect(complaints).toEqual([]);
  await context.close();
}

const isTooWide = (page: Page) =>
  page.locator('main').evaluate((main) => main.ownerDocument.documentElement.scrollWidth > 320);

it.each([
  ['confidential', false],
  ['public', true],
])('a standard library takes a %s client through the whole flow', async (name, isPublic) => {
  const { body: client } = await server.admin.post('/api/v1/api-clients', {
    name: `Planner, ${name}`,
    developerId: 'planner-inc',
    redirectUris: [redirectUri],
    scopes: ['sync:read', 'sync:write'],
    public: isPublic,
  });
  const config = await openid.discovery(
    new URL(server.url),
    client.id,
    client.secret ?? undefined,
    isPublic ? openid.None() : openid.ClientSecretBasic(client.secret),
    { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] },
  );
  const verifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  const start = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'sync:read sync:write',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
  });
  let end: URL;
  await inBrowser(async (page) => {
    await page.goto(start.href);
    expect(await isTooWide(page)).toBe(false);
    await page.getByLabel('Developer ID').fill('dev-789');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: `Authorize Planner, ${name}?` }).waitFor();
    expect(await page.locator('main').innerText()).toContain('planner-inc');
    expect(await isTooWide(page)).toBe(false);
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.waitForURL(`${redirectUri}?**`);
    end = new URL(page.url());
  });
  const tokens = await openid.authorizationCodeGrant(config, end!, {
    pkceCodeVerifier: verifier,
    expectedState: state,
  });
  const api = new Api(server.url, tokens.access_token);
  await api.create({ developerId: 'dev-789', resourceType: 'ROUTE', resourceKey: name, data: { km: 42 } });
  const synced = await api.sync({ since: '1970-01-01T00:00:00Z' });
  expect(synced).toMatchObject({ status: 200, body: { items: expect.arrayContaining([expect.anything()]) } });

  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token!);
  const next = new Api(server.url, refreshed.access_token);
  expect((await next.get(synced.body.meta.next_sync_url)).status).toBe(200);
  await openid.tokenRevocation(config, refreshed.refresh_token!);
  expect((await next.get(synced.body.meta.next_sync_url)).status).toBe(401);
});

it('Swagger UI authorizes with the code flow, and tries out what it then may', async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1600 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${server.url}/docs`);
  await page.locator('.scheme-container .authorize').click();
  const dialog = page.locator('.dialog-ux');
  await dialog.waitFor();
  const popup = page.waitForEvent('popup');
  await dialog.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click();
  const login = await popup;
  login.setDefaultTimeout(60_000);
  await login.getByLabel('Developer ID').fill('dev-789');
  await login.getByLabel('Password').fill(PASSWORD);
  await login.getByRole('button', { name: 'Log in' }).click();
  await login.getByRole('heading', { name: 'Authorize API documentation?' }).waitFor();
  const closed = login.waitForEvent('close');
  await login.getByRole('button', { name: 'Allow' }).click();
  await closed;
  await dialog.getByRole('button', { name: 'Remove authorization' }).waitFor();
  await dialog.getByRole('button', { name: 'Close' }).first().click();

  const box = page.locator('.opblock[id$="-Grants_list"]');
  await box.locator('.opblock-summary-control').click();
  await box.getByRole('button', { name: 'Try it out' }).click();
  await box.getByRole('button', { name: 'Execute' }).click();
  const answer = box.locator('.live-responses-table .response');
  await answer.waitFor();
  expect(await answer.locator('.response-col_status').innerText()).toBe('200');
  expect(await answer.innerText()).toContain('API documentation');
  await context.close();
});
