import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.js';
import { PASSWORD, setPassword } from '../support/oauth.js';
import { createDatabase, ServerProcess, type TestDatabase } from '../support/server.js';

let database: TestDatabase;
let server: ServerProcess;
let browser: Browser;
/** Two static sites: the server lists the origin of the first one alone. */
let sites: Server[];
let origins: string[];
let clientId: string;

async function serveSite(): Promise<Server> {
  const site = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>Planner</title>');
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  return site;
}

beforeAll(async () => {
  sites = [await serveSite(), await serveSite()];
  origins = sites.map((site) => `http://127.0.0.1:${(site.address() as AddressInfo).port}`);
  database = await createDatabase();
  server = await ServerProcess.start({ ...database.env, CORS_ORIGINS: origins[0] });
  browser = await launchChromium();
  expect((await setPassword(server.admin, 'dev-789')).status).toBe(204);
  const { body } = await server.admin.post('/api/v1/api-clients', {
    name: 'Planner in a browser',
    developerId: 'planner-inc',
    redirectUris: [`${origins[0]}/callback`],
    scopes: ['sync:read', 'sync:write'],
    public: true,
  });
  clientId = body.id;
});
afterAll(async () => {
  await browser?.close();
  for (const site of sites ?? []) await new Promise((resolve) => site.close(resolve));
  await server?.stop();
  await database?.drop();
});

/** What a script of a page reads of an answer; the browser decides what that is. */
interface Read {
  status: number;
  headers: Record<string, string>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads any body
  body: any;
}

interface Init {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** Requests from a script of the page. @returns undefined where the browser refuses */
const request = (page: Page, path: string, init: Init = {}): Promise<Read | undefined> =>
  page.evaluate(
    async ([url, options]) => {
      try {
        const response = await fetch(url, options);
        const text = await response.text();
        const headers = Object.fromEntries(response.headers);
        return { status: response.status, headers, body: text === '' ? text : JSON.parse(text) };
      } catch {
        return undefined;
      }
    },
    [server.url + path, init] as const,
  );

const form = (parameters: Record<string, string>): Init => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(parameters).toString(),
});

it('a page of a listed origin logs in with PKCE, reads, writes, polls with 304, and reads errors', async () => {
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(origins[0]);
  const metadata = await request(page, '/.well-known/oauth-authorization-server');
  const verifier = 'v'.repeat(64);
  const challenge = await page.evaluate(async (text) => {
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
    return btoa(String.fromCharCode(...new Uint8Array(hash)))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replace(/=+$/, '');
  }, verifier);
  const redirectUri = `${origins[0]}/callback`;
  const parameters = new URLSearchParams({
    ...{ response_type: 'code', client_id: clientId, redirect_uri: redirectUri, state: 's' },
    ...{ code_challenge: challenge, code_challenge_method: 'S256' },
  });
  await page.goto(`${metadata!.body.authorization_endpoint}?${parameters}`);
  await page.getByLabel('Developer ID').fill('dev-789');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.waitForURL(`${redirectUri}?**`);

  const code = new URL(page.url()).searchParams.get('code')!;
  const exchange = { grant_type: 'authorization_code', code, code_verifier: verifier };
  const tokens = await request(
    page,
    '/oauth/token',
    form({ ...exchange, client_id: clientId, redirect_uri: redirectUri }),
  );
  expect(tokens).toMatchObject({ status: 200, body: { scope: 'sync:read sync:write' } });
  const headers = {
    authorization: `Bearer ${tokens!.body.access_token}`,
    'content-type': 'application/json',
  };

  const create = { developerId: 'dev-789', resourceType: 'ROUTE', resourceKey: 'a', data: { km: 1 } };
  const records = '/api/v1/sync/records';
  const created = await request(page, records, { method: 'POST', headers, body: JSON.stringify(create) });
  expect(created).toMatchObject({ status: 201, headers: { location: expect.stringContaining(records) } });
  const path = `${records}/${created!.body.id}`;
  const read = await request(page, path, { headers });
  expect(read).toMatchObject({
    status: 200,
    headers: { etag: expect.any(String), ratelimit: expect.any(String) },
  });
  const changed = await request(page, path, {
    method: 'PATCH',
    headers: { ...headers, 'if-match': read!.headers.etag },
    body: JSON.stringify({ data: { km: 2 } }),
  });
  expect(changed!.status).toBe(200);

  const feed = '/api/v1/sync.json?since=1970-01-01T00:00:00Z';
  const synced = await request(page, feed, { headers });
  expect(synced!.body.items).toHaveLength(2);
  const poll = { headers: { ...headers, 'if-none-match': synced!.headers.etag } };
  expect(await request(page, feed, poll)).toMatchObject({ status: 304, body: '' });
  expect((await request(page, path, { method: 'DELETE', headers }))!.status).toBe(204);
  expect((await request(page, feed, poll))!.status).toBe(200);

  expect(await request(page, '/nothing', { headers })).toMatchObject({
    status: 404,
    body: { code: 'not_found' },
  });
  const revoked = await request(
    page,
    '/oauth/revoke',
    form({ token: tokens!.body.refresh_token, client_id: clientId }),
  );
  expect(revoked).toMatchObject({ status: 200, body: {} });
  expect(await request(page, feed, { headers })).toMatchObject({
    status: 401,
    headers: {
      'www-authenticate': expect.stringContaining('error="invalid_token"'),
      'x-request-id': expect.any(String),
    },
    body: { code: 'invalid_token' },
  });
  const bad = form({ grant_type: 'refresh_token', refresh_token: 'x', client_id: clientId });
  expect(await request(page, '/oauth/token', bad)).toMatchObject({
    status: 400,
    body: { error: 'invalid_grant' },
  });
  await page.close();
});

it('the browser gives a page of another origin nothing, and sends no write of it', async () => {
  const { body } = await server.admin.post('/api/v1/api-keys', {
    developerId: 'dev-790',
    scopes: ['sync:read', 'sync:write'],
  });
  const headers = { authorization: `Bearer ${body.key}`, 'content-type': 'application/json' };
  const records = '/api/v1/sync/records';
  const create = { developerId: 'dev-790', resourceType: 'ROUTE', resourceKey: 'b', data: {} };
  const write = { method: 'POST', headers, body: JSON.stringify(create) };
  const page = await browser.newPage();
  await page.goto(origins[1]);
  for (const [path, init] of [
    [records, { headers }],
    [records, write],
    ['/oauth/token', form({ grant_type: 'x', client_id: clientId })],
    ['/.well-known/openid-configuration', {}],
    ['/health/live', {}],
  ] as const)
    expect([path, await request(page, path, init)]).toEqual([path, undefined]);
  // The same requests of the page of the listed origin are answered.
  await page.goto(origins[0]);
  expect((await request(page, records, { headers }))!.body.total).toBe(0);
  expect((await request(page, records, write))!.status).toBe(201);
  await page.close();
});
