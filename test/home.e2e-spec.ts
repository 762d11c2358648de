import { beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { type Client, createClient } from './support/api-clients.js';
import { useApp } from './support/app.js';
import { expectError } from './support/errors.js';
import { authorization, authorizeUrl, Browser, pkce, setPassword } from './support/oauth.js';

/** A name that HTML has to escape. */
const SERVICE_NAME = 'Ada & Co <Sync>';
const ESCAPED = 'Ada &amp; Co &lt;Sync&gt;';
const app = useApp({ SERVICE_NAME });

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
/** The header that Chromium sends when a person opens a URL. */
const PERSON = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';

async function get(path: string, accept?: string, method = 'GET') {
  const response = await fetch(app.url + path, { method, headers: accept === undefined ? {} : { accept } });
  const type = response.headers.get('content-type');
  return { status: response.status, headers: response.headers, type, text: await response.text() };
}

describe('GET /', () => {
  it.each([undefined, '*/*', 'application/json', 'application/json, text/html;q=0.9', 'image/png', ',;q=x'])(
    'gives a program that accepts %s the version and links as JSON',
    async (accept) => {
      const { status, headers, type, text } = await get('/', accept);
      expect([status, headers.get('vary')]).toEqual([200, 'Accept']);
      expect(type).toMatch(/^application\/json/);
      const body = JSON.parse(text);
      expect(body).toMatchObject({ name: 'Tidemark', version, service: SERVICE_NAME });
      for (const [name, link] of Object.entries<string>(body.links)) {
        const expected = name === 'sync' ? 401 : 200;
        expect([name, (await fetch(link)).status]).toEqual([name, expected]);
      }
    },
  );

  it('gives a person a page with links that work, under the name of the operator', async () => {
    const { status, headers, type, text } = await get('/', PERSON);
    expect([status, type, headers.get('vary')]).toEqual([200, 'text/html; charset=utf-8', 'Accept']);
    expect(text).toContain(`<title>Sync server - ${ESCAPED}</title>`);
    expect(text).not.toContain('<Sync>');
    expect(text).toContain(`Tidemark ${version}`);
    expect(text).toContain('/api/v1/sync.json?since=1970-01-01T00:00:00Z');
    const links = [...text.matchAll(/href="([^"]+)"/g)].map(([, link]) => new URL(link, app.url));
    expect(links.map(({ pathname }) => pathname)).toEqual(
      expect.arrayContaining(['/docs', '/docs-json', '/oauth/account', '/health/ready', '/favicon.svg']),
    );
    for (const link of links) expect([link.href, (await fetch(link)).status]).toEqual([link.href, 200]);
  });

  it('answers with the policy and the headers of a page, and to HEAD without a body', async () => {
    const { headers } = await get('/', PERSON);
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(await get('/', PERSON, 'HEAD')).toMatchObject({ status: 200, text: '' });
  });
});

it('the icon is a small SVG at both addresses where browsers look', async () => {
  for (const path of ['/favicon.svg', '/favicon.ico']) {
    const { status, type, text } = await get(path);
    expect([status, type]).toEqual([200, 'image/svg+xml']);
    expect(text).toMatch(/^<svg .*<\/svg>$/);
    expect(text.length).toBeLessThan(1_000);
  }
});

describe('a path that does not exist', () => {
  it('is a page for people that leads to /docs', async () => {
    for (const path of ['/nothing', '/api/v2/x', '/oauth/nothing', '/docs/nothing']) {
      const { status, headers, type, text } = await get(path, PERSON);
      expect([path, status, type]).toEqual([path, 404, 'text/html; charset=utf-8']);
      expect([headers.get('vary'), headers.get('cache-control')]).toEqual(['Accept', 'no-store']);
      expect(text).toContain(`href="${app.url}/docs"`);
      expect(text).toContain(ESCAPED);
    }
  });

  it('is the usual JSON error for programs, and for what is no GET', async () => {
    for (const accept of [undefined, '*/*', 'application/json', 'application/json, text/html']) {
      const { status, text } = await get('/nothing', accept);
      expect([status, JSON.parse(text)]).toEqual([404, { error: 'Not found', code: 'not_found' }]);
    }
    const { status, text } = await get('/nothing', PERSON, 'POST');
    expect([status, JSON.parse(text).code]).toEqual([404, 'not_found']);
  });

  it('is not a record that does not exist: the API answers JSON to everyone', async () => {
    const response = await app.admin.request(
      'GET',
      '/api/v1/sync/records/0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
      {
        headers: { accept: PERSON },
      },
    );
    expectError(response, 404, 'not_found');
  });
});

it('every answer and the OpenAPI document name the version of package.json', async () => {
  for (const path of ['/', '/nothing', '/docs', '/api/v1/sync.json', '/oauth/jwks', '/oauth/account', '/%zz'])
    expect([path, (await get(path)).headers.get('x-tidemark-version')]).toEqual([path, version]);
  expect((await app.admin.get('/docs-json')).body.info.version).toBe(version);
});

describe('a login page', () => {
  let client: Client;
  const open = (changes: Record<string, string>) =>
    new Browser(app.url).request(authorizeUrl(authorization(client, pkce().challenge, changes)), {
      headers: { accept: PERSON },
    });

  beforeAll(async () => {
    client = await createClient(app.admin);
    await setPassword(app.admin, 'dev-1');
  });

  it.each([
    ['an unknown client', { client_id: 'unknown' }, 'is not registered with', 'invalid_client'],
    [
      'a redirect URI that is not registered',
      { redirect_uri: 'https://other.example/' },
      'to an address that is not registered',
      'invalid_redirect_uri',
    ],
    ['no client', { client_id: '' }, 'made a request that', 'invalid_request'],
  ])(
    'of %s says in plain English what is wrong and who can repair it',
    async (_name, changes, words, code) => {
      const response = await open(changes);
      const text = await response.text();
      expect([response.status, response.headers.get('content-type')]).toEqual([
        400,
        'text/html; charset=utf-8',
      ]);
      expect(text).toContain(words);
      expect(text).toContain('The makers of the application can repair it');
      expect(text).toContain(`<code>${code}</code>`);
      expect(text).not.toMatch(/client is invalid|did not match|oops/);
      expect(text).toContain(`<header>${ESCAPED}</header>`);
    },
  );

  it('that has expired says so', async () => {
    for (const path of ['/oauth/interaction/unknown', '/oauth/authorize/unknown']) {
      const response = await new Browser(app.url).request(path, { headers: { accept: PERSON } });
      expect(response.status).toBe(400);
      const text = await response.text();
      expect(text).toContain('This page has expired, or belongs to another browser.');
      expect(text).toContain('<code>invalid_request</code>');
    }
  });

  it('has the name of the operator, a primary button and a way on for a forgotten password', async () => {
    const browser = new Browser(app.url);
    const parameters = authorization(client, pkce().challenge);
    const { response } = await browser.follow(await browser.request(authorizeUrl(parameters)));
    const text = await response.text();
    expect(text).toContain(`<title>Log in - ${ESCAPED}</title>`);
    expect(text).toMatch(/<button class="primary" name="action" value="login">/);
    expect(text.replace(/\s+/g, ' ')).toContain(`Ask the operator of ${ESCAPED} for a new invite link`);
  });

  it('of an invite has the name of the account in a field that password managers see', async () => {
    const { body } = await app.admin.post('/api/v1/developers/dev-2/invites', {});
    const text = (await (await new Browser(app.url).request(body.url)).text()).replace(/\s+/g, ' ');
    expect(text).toMatch(/<input [^>]*value="dev-2" autocomplete="username" readonly/);
    expect(text).toContain('autocomplete="new-password"');
    expect(text).not.toMatch(/type="hidden" name="username"/);
  });
});

it('a password that is the name of the operator is easy to guess', async () => {
  expectError(
    await setPassword(app.admin, 'dev-3', 'Ada & Co <Sync>'),
    400,
    'invalid_request',
    'easy to guess',
  );
});
