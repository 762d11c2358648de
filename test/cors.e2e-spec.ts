import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Api, RECORDS } from './support/api.js';
import { type Client, createClient } from './support/api-clients.js';
import { useApp } from './support/app.js';
import { isServer } from './support/database.js';
import { authorization, authorizeUrl, pkce } from './support/oauth.js';
import { type OpenConnection, openConnection, sendRaw } from './support/raw-http.js';
import { until } from './support/until.js';

const ORIGIN = 'https://planner.example';
const OTHER_ORIGINS = [
  'https://evil.example',
  'https://planner.example:444',
  'http://planner.example',
  'null',
];

const app = useApp({
  CORS_ORIGINS: `${ORIGIN},capacitor://localhost`,
  // 24 of one address.
  CONNECTION_LIMIT: '36',
  RATE_LIMIT: '30',
});

let dev: Api;
let client: Client;
beforeAll(async () => {
  dev = await app.developer('dev-1');
  client = await createClient(app.admin, { redirectUris: [`${ORIGIN}/callback`] });
});

const sockets: Socket[] = [];
afterEach(() => sockets.splice(0).forEach((socket) => socket.destroy()));

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

const EXPOSED = [
  'ETag',
  'Location',
  'Preference-Applied',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
  'X-Tidemark-Version',
];

/** Expects what a browser asks of an answer before it gives it to a page of the origin. */
function expectReadable(headers: Headers, origin = ORIGIN): void {
  expect(headers.get('access-control-allow-origin')).toBe(origin);
  expect(headers.get('access-control-expose-headers')?.split(', ')).toEqual(EXPOSED);
  expect(headers.get('access-control-allow-credentials')).toBeNull();
  expect(headers.get('vary')).toContain('Origin');
}

const preflight = (path: string, origin: string, method = 'POST') =>
  fetch(app.url + path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization,content-type,if-none-match',
    },
  });

describe('a page of a listed origin', () => {
  it.each([
    ['the feed', 'GET', '/api/v1/sync.json?since=1970-01-01T00:00:00Z'],
    ['records', 'PATCH', `${RECORDS}/x`],
    ['a route that does not exist', 'DELETE', '/nothing'],
    ['tokens', 'POST', '/oauth/token'],
    ['revocation', 'POST', '/oauth/revoke'],
    ['metadata', 'GET', '/.well-known/openid-configuration'],
  ])('may ask for %s, after a preflight that needs no credential', async (_name, method, path) => {
    const response = await preflight(path, ORIGIN, method);
    expect([response.status, await response.text()]).toEqual([204, '']);
    expectReadable(response.headers);
    expect(response.headers.get('access-control-allow-methods')!.split(', ')).toContain(method);
    expect(response.headers.get('access-control-allow-headers')).toBe(
      'authorization,content-type,if-none-match',
    );
    expect(response.headers.get('access-control-max-age')).toBe('7200');
  });

  it.each([ORIGIN, 'capacitor://localhost'])('reads answers: %s', async (origin) => {
    const sync = await dev.get('/api/v1/sync.json?since=1970-01-01T00:00:00Z', { origin });
    expect(sync.status).toBe(200);
    expectReadable(sync.headers, origin);
    expect(sync.headers.get('vary')).toBe('Authorization, Accept, Prefer, Origin');
    const again = await dev.get('/api/v1/sync.json?since=1970-01-01T00:00:00Z', {
      origin,
      'if-none-match': sync.headers.get('etag')!,
    });
    expect(again.status).toBe(304);
    expectReadable(again.headers, origin);
    expectReadable((await new Api(app.url).get('/health/live', { origin })).headers, origin);
  });

  it.each([
    [401, 'GET', RECORDS, {}],
    [401, 'GET', RECORDS, { authorization: `Bearer ${'x'.repeat(40)}` }],
    [404, 'GET', '/nothing', {}],
    [404, 'POST', '/nothing', {}],
    [400, 'GET', '/%zz', {}],
    [414, 'GET', `${RECORDS}/${'x'.repeat(3_000)}`, {}],
    [401, 'POST', '/oauth/token', { ...FORM, body: 'client_id=x&client_secret=x&token=x' }],
    [401, 'POST', '/oauth/revoke', { ...FORM, body: 'client_id=x&client_secret=x&token=x' }],
    [401, 'POST', '/oauth/introspect', { ...FORM, body: 'client_id=x&client_secret=x&token=x' }],
    [400, 'POST', '/oauth/token', { 'content-type': 'text/csv' }],
    [413, 'POST', '/oauth/token', { 'content-type': 'application/json', body: ' '.repeat(20_000) }],
    [200, 'GET', '/.well-known/openid-configuration', {}],
    [200, 'GET', '/.well-known/oauth-authorization-server', {}],
    [200, 'GET', '/oauth/jwks', {}],
  ])('reads a %i of %s %s', async (status, method, path, { body, ...headers }: Record<string, string>) => {
    const answer = await new Api(app.url).request(method, path, {
      headers: { ...headers, origin: ORIGIN },
      body,
    });
    expect(answer.status).toBe(status);
    expectReadable(answer.headers);
  });

  it('reads a 413 and a 429', async () => {
    const limited = await app.developer('limited');
    const large = await limited.post(RECORDS, ' '.repeat(2 ** 20 + 1), { origin: ORIGIN });
    expect(large.status).toBe(413);
    expectReadable(large.headers);
    let answer = large;
    await until(async () => {
      answer = await limited.get(RECORDS, { origin: ORIGIN });
      return answer.status !== 200;
    });
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expectReadable(answer.headers);
  });

  const post = async (key: string, length: number, address?: string) => {
    const socket = await openConnection(
      app.url,
      `POST ${RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nOrigin: ${ORIGIN}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n{`,
      address,
    );
    sockets.push(socket);
    return socket;
  };

  it('reads a 503 of the API', async () => {
    const { key } = await app.developer('hostile');
    const held = await Promise.all(Array.from({ length: isServer ? 16 : 4 }, () => post(key!, 2 ** 20)));
    await until(() => held.every(({ text }) => text.startsWith('HTTP/1.1 100')));
    const refused = await post(key!, 2 ** 20);
    await until(() => /HTTP\/1.1 503 /.test(refused.text));
    expect(refused.text).toContain(`\r\naccess-control-allow-origin: ${ORIGIN}\r\n`);
  });

  it('reads an error of a connection whose request was not read, as every other page does', async () => {
    const { key } = await app.developer('busy');
    for (const [status, line] of [
      [400, 'X'],
      [431, `X: ${'x'.repeat(70_000)}`],
    ])
      expect(await sendRaw(app.url, `GET / HTTP/1.1\r\nHost: x\r\n${line}\r\n\r\n`)).toMatchObject([
        { status, headers: { 'access-control-allow-origin': '*' } },
      ]);
    // Each holds its connection: the next one is refused before a byte is read.
    const opened: OpenConnection[] = [];
    for (let n = 0; n < 24; n++) opened.push(await post(key!, 100, '127.0.0.2'));
    await until(() => opened.every(({ text }) => text.startsWith('HTTP/1.1 100')));
    const refused = await openConnection(
      app.url,
      `GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n`,
      '127.0.0.2',
    );
    await once(refused, 'close');
    expect(refused.text).toMatch(/^HTTP\/1.1 503 [^]*\r\nAccess-Control-Allow-Origin: \*\r\n/);
  });
});

describe('a page of another origin', () => {
  it.each(OTHER_ORIGINS)('reads nothing: %s', async (origin) => {
    const reads = [
      preflight(RECORDS, origin),
      preflight('/oauth/token', origin),
      ...[RECORDS, '/nothing', '/%zz', '/oauth/jwks', '/.well-known/openid-configuration'].map((path) =>
        fetch(app.url + path, { headers: { origin } }),
      ),
      fetch(`${app.url}/oauth/token`, {
        method: 'POST',
        headers: { origin, authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      }),
    ];
    for (const { headers } of await Promise.all(reads)) {
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(headers.get('vary')).toContain('Origin');
    }
  });
});

it('no other page reads the pages of a login, and none may send their forms', async () => {
  for (const [method, path] of [
    ['GET', authorizeUrl(authorization(client, pkce().challenge))],
    ['GET', '/oauth/authorize'],
    ['GET', '/oauth/interaction/x'],
    ['POST', '/oauth/interaction/x'],
    ['GET', '/oauth/invite'],
    ['POST', '/oauth/invite'],
    ['GET', '/oauth/account'],
    ['POST', '/oauth/account'],
    ['GET', '/oauth/logout'],
  ]) {
    const { headers } = await fetch(app.url + path, {
      method,
      headers: { origin: ORIGIN },
      redirect: 'manual',
    });
    expect(headers.get('access-control-allow-origin')).toBeNull();
    const asked = await preflight(path, ORIGIN, method);
    expect([path, asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([path, 404, null]);
  }
});

it('a program without an Origin gets the same answers', async () => {
  const { status, headers } = await dev.get(RECORDS);
  expect([status, headers.get('access-control-allow-origin')]).toEqual([200, null]);
});
