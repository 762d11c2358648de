import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Api, RECORDS } from './support/api.js';
import { anyRequest } from './support/any-request.js';
import { apiOperations } from './support/documented.js';
import { expectErrorBody } from './support/errors.js';
import { type RawAnswer, sendRaw } from './support/raw-http.js';
import { startApp, type TestApp } from './support/server.js';

const SYNC = '/api/v1/sync.json';
const API_KEYS = '/api/v1/api-keys';

let app: TestApp;
let dev: Api;
/** All that is documented, such as `GET /api/v1/sync/records/{id}`. */
let operations: string[];
/** What a `{parameter}` of a URL can be so that there is something behind it. */
const existing: string[] = [];

beforeAll(async () => {
  app = await startApp();
  dev = await app.developer('dev-789');
  operations = [...apiOperations((await app.admin.get('/docs-json')).body).keys()];
  const record = await create('existing');
  const [item] = (await dev.sync('since=1970-01-01')).body.items;
  const client = await app.admin.post('/api/v1/api-clients', {
    developerId: 'dev-789',
    name: 'app',
    scopes: ['sync:read'],
  });
  existing.push(record.id, 'routes', String(item.item_id), client.body.id);
});
afterAll(() => app.close());

/** Whatever was sent, the server serves the next one. */
afterEach(async () => {
  const { id } = await create('after');
  expect((await dev.get(`${RECORDS}/${id}`)).status).toBe(200);
  expect((await dev.delete(`${RECORDS}/${id}`)).status).toBe(204);
});

const create = (resourceKey: string) =>
  dev.create({ developerId: 'dev-789', resourceType: 'ROUTE', resourceKey, data: { a: 1 } });

/** No answer is a 500, and every error is told in our way. */
function expectSoundAnswers(answers: RawAnswer[], method = 'GET'): void {
  for (const { status, headers, body } of answers) {
    expect(status).toBeLessThan(500);
    if (status < 400) continue;
    expect(headers['content-type']).toMatch(/^application\/json\b/);
    if (method !== 'HEAD' || body !== '') expectErrorBody(JSON.parse(body));
  }
}

const seed = Number(process.env.TEST_SEED);

describe('no request whatever gets a 500, and every error has our body:', () => {
  it('random ones', async () => {
    const more = ['/docs', '/docs/swagger-ui.css', '/docs/{file}', '/docs-json', '/docs-yaml', '/{any}'];
    const request = anyRequest({
      operations: [...operations, ...more.map((path) => `GET ${path}`)],
      segments: existing,
      keys: [dev.key!, app.admin.key!],
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ method, head, body }) => {
        const answers = await sendRaw(app.url, Buffer.concat([Buffer.from(head, 'latin1'), body]));
        expect(answers).toHaveLength(1);
        expectSoundAnswers(answers, method);
      }),
      { seed, numRuns: 1_000 },
    );
  });

  it('random bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 64 }), async (bytes) => {
        expectSoundAnswers(await sendRaw(app.url, Buffer.from(bytes), true));
      }),
      { seed, numRuns: 100 },
    );
  });

  describe('OPTIONS, HEAD and foreign methods', () => {
    it.each(['OPTIONS', 'HEAD', 'PUT', 'TRACE', 'PROPFIND'])('%s on every route', async (method) => {
      for (const operation of operations) {
        const path = operation.split(' ')[1].replace(/\{[^}]*\}/g, 'x');
        for (const key of [dev.key, app.admin.key, undefined]) {
          const authorization = key === undefined ? '' : `Authorization: Bearer ${key}\r\n`;
          const request = `${method} ${path} HTTP/1.1\r\nHost: x\r\n${authorization}Connection: close\r\n\r\n`;
          expectSoundAnswers(await sendRaw(app.url, request), method);
        }
      }
    });
  });

  const json = '{"developerId":"dev-789","resourceType":"ROUTE","resourceKey":"raw","data":{}}';
  const end = 'Connection: close\r\n\r\n';
  /** `POST {}` stands for a POST with all that it needs but the body. */
  async function expectAnswer(request: string, status: number, hangUp: boolean): Promise<void> {
    const post =
      `POST ${RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${dev.key}\r\n` +
      'Content-Type: application/json';
    const answers = await sendRaw(app.url, request.replace('POST {} HTTP/1.1', post), hangUp);
    expect(answers[0]?.status).toBe(status);
    expectSoundAnswers(answers);
  }

  it.each([
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['an unknown method', `FOO ${RECORDS} HTTP/1.1\r\nHost: x\r\n${end}`, 400],
    ['a version that does not exist', `GET ${RECORDS} HTTP/9.9\r\nHost: x\r\n${end}`, 400],
    ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['a space in the URL', `GET ${RECORDS}?a b HTTP/1.1\r\nHost: x\r\n${end}`, 400],
    ['a NUL in a header', `GET ${RECORDS} HTTP/1.1\r\nHost: x\r\nAccept: \0\r\n${end}`, 400],
    ['a header without a colon', `GET ${RECORDS} HTTP/1.1\r\nHost: x\r\nAccept\r\n${end}`, 400],
    ['no Host', `GET ${SYNC} HTTP/1.1\r\n${end}`, 400],
    ['a broken escape in the path', `GET /api/v1/%zz/1.json HTTP/1.1\r\nHost: x\r\n${end}`, 400],
    [
      'a URL parameter of 3,000 bytes',
      `GET ${RECORDS}/${'x'.repeat(3_000)} HTTP/1.1\r\nHost: x\r\n${end}`,
      414,
    ],
    ['a URL of 100,000 bytes', `GET ${SYNC}?since=${'x'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n${end}`, 431],
    [
      'headers of 100,000 bytes',
      `GET ${SYNC} HTTP/1.1\r\nHost: x\r\nAccept: ${'x'.repeat(100_000)}\r\n${end}`,
      431,
    ],
    ['an expectation other than 100-continue', `GET ${SYNC} HTTP/1.1\r\nHost: x\r\nExpect: x\r\n${end}`, 401],
    [
      'an upgrade',
      `GET ${SYNC} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
      401,
    ],
    [
      'a range beyond a file',
      `GET /docs/swagger-ui.css HTTP/1.1\r\nHost: x\r\nRange: bytes=99999999-\r\n${end}`,
      416,
    ],
    ['a stale file', `GET /docs/swagger-ui.css HTTP/1.1\r\nHost: x\r\nIf-Match: "x"\r\n${end}`, 412],
    ['a file outside', `GET /docs/..%2f..%2fpackage.json HTTP/1.1\r\nHost: x\r\n${end}`, 404],
    ['a NUL in a file name', `GET /docs/%00 HTTP/1.1\r\nHost: x\r\n${end}`, 403],
    ['a negative Content-Length', `POST {} HTTP/1.1\r\nContent-Length: -1\r\n${end}`, 400],
    ['two lengths', `POST {} HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n${end}${json}`, 400],
    [
      'a length and chunks',
      `POST {} HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n${end}0\r\n\r\n`,
      400,
    ],
    ['an unknown Transfer-Encoding', `POST {} HTTP/1.1\r\nTransfer-Encoding: x\r\n${end}${json}`, 400],
    ['chunked not last', `POST {} HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n${end}${json}`, 400],
    [
      'a chunk size that is none',
      `POST {} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${end}x\r\n{}\r\n0\r\n\r\n`,
      400,
    ],
    ['too large a length', `POST {} HTTP/1.1\r\nContent-Length: 99999999999\r\n${end}{}`, 413],
    [
      'a compressed body',
      `POST {} HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n${end}\x1f\x8b\x08\x00`,
      400,
    ],
  ])('%s', (_name, request, status) => expectAnswer(request, status, false));

  it.each([
    ['a shorter body than said', `POST {} HTTP/1.1\r\nContent-Length: 1000\r\n${end}${json}`],
    ['an unfinished chunk', `POST {} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${end}ff\r\n{}`],
    ['an unfinished head', `GET ${SYNC} HTTP/1.1\r\nHost: x\r\nAcc`],
  ])('%s', (_name, request) => expectAnswer(request, 400, true));
});

it('the pages of Swagger UI have all security headers', async () => {
  const { headers } = await dev.get('/docs');
  expect(headers.get('content-security-policy')).toMatch(
    /^default-src 'self';.*;style-src 'self' 'unsafe-inline'$/,
  );
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
});

it.each(['/health/live', '/nothing', `${SYNC}?since=x`, `${SYNC}?since=1970-01-01&docs`, '/%zz'])(
  'a browser makes nothing but data of the answer to GET %s',
  async (path) => {
    const { headers } = await dev.get(path);
    expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  },
);

describe('a request that is unusual but right', () => {
  const post = (headers: string, body: string) =>
    sendRaw(
      app.url,
      `POST ${RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${dev.key}\r\n` +
        `Content-Type: application/json\r\n${headers}Connection: close\r\n\r\n${body}`,
    );
  const body = (resourceKey: string) =>
    JSON.stringify({ developerId: 'dev-789', resourceType: 'ROUTE', resourceKey, data: {} });

  it('is served in chunks', async () => {
    const chunks = [...body('chunked')].map((byte) => `1\r\n${byte}\r\n`).join('');
    expect(await post('Transfer-Encoding: chunked\r\n', `${chunks}0\r\n\r\n`)).toMatchObject([
      { status: 201 },
    ]);
  });

  it('is served after 100 Continue', async () => {
    const json = body('continued');
    const answers = await post(`Expect: 100-continue\r\nContent-Length: ${json.length}\r\n`, json);
    expect(answers).toMatchObject([{ status: 201 }]);
  });

  it('is refused in chunks beyond 1 MiB', async () => {
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
    const answers = await post('Transfer-Encoding: chunked\r\n', `${chunk.repeat(17)}0\r\n\r\n`);
    expect(answers).toMatchObject([{ status: 413 }]);
    expectSoundAnswers(answers);
  });

  it.each([
    ['a length', `Content-Length: ${8 * 2 ** 20}`, ' '.repeat(8 * 2 ** 20)],
    ['chunks', 'Transfer-Encoding: chunked', `800000\r\n${' '.repeat(8 * 2 ** 20)}\r\n0\r\n\r\n`],
  ])(
    'is refused with %s of 8 MiB so that a client that still sends can read why',
    async (_name, header, big) => {
      const answers = await sendRaw(
        app.url,
        `POST ${RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${dev.key}\r\n` +
          `Content-Type: application/json\r\n${header}\r\n\r\n${big}` +
          'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      );
      expect(answers).toMatchObject([{ status: 413 }, { status: 200 }]);
      expectSoundAnswers(answers.slice(0, 1));
    },
  );

  it.each([
    ['HTTP/1.1', RECORDS, 'application/json'],
    ['HTTP/1.0', RECORDS, 'application/json'],
    ['HTTP/1.1', '/oauth/invite', 'application/x-www-form-urlencoded'],
    ['HTTP/1.1', '/oauth/account', 'application/x-www-form-urlencoded'],
  ])('is refused beyond its limit also where the connection ends: %s %s', async (version, path, type) => {
    const [answer] = await sendRaw(
      app.url,
      `POST ${path} ${version}\r\nHost: x\r\nAuthorization: Bearer ${dev.key}\r\nContent-Type: ${type}\r\n` +
        `Content-Length: ${8 * 2 ** 20}\r\nConnection: close\r\n\r\n${' '.repeat(8 * 2 ** 20)}`,
    );
    expect(answer.status).toBe(413);
  });

  it.each(['token', 'revoke', 'introspect'])(
    'is refused in chunks of 8 MiB at /oauth/%s, and the next request is answered',
    async (endpoint) => {
      const chunk = `80000\r\n${'x'.repeat(0x80000)}\r\n`;
      const answers = await sendRaw(
        app.url,
        `POST /oauth/${endpoint} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
          `Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(16)}0\r\n\r\n` +
          'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      );
      expect(answers).toMatchObject([{ status: 400 }, { status: 200 }]);
      expect(JSON.parse(answers[0].body)).toMatchObject({ error: 'invalid_request' });
    },
  );

  it('is answered to HEAD as to GET, without the body', async () => {
    const { id } = await create('head');
    for (const path of [`${RECORDS}/${id}`, RECORDS, `${SYNC}?since=1970-01-01`, '/health/live']) {
      const [get, head] = await Promise.all(['GET', 'HEAD'].map((method) => dev.request(method, path)));
      expect([head.status, head.body]).toEqual([200, '']);
      expect(head.headers.get('etag')).toBe(get.headers.get('etag'));
    }
  });
});

describe('an unknown query parameter', () => {
  it('is refused by every route of the API, before anything happens', async () => {
    const routes = operations.filter((operation) => operation.includes(' /api/'));
    expect(routes.length).toBeGreaterThan(40);
    const [recordId, , itemId] = existing;
    for (const operation of routes) {
      const [method, template] = operation.split(' ');
      const path = template
        .replace('{assets}', 'routes')
        .replace(/\{(item_id|collection_id)\}/, itemId)
        .replace(/\{developerId\}/, 'dev-789')
        .replace(/\{\w+\}/g, recordId);
      const body = method === 'GET' || method === 'DELETE' ? {} : { body: '{}' };
      const headers = { 'content-type': 'application/json' };
      const answer = await app.admin.request(method, `${path}?colour=red&toString=1`, { headers, ...body });
      expect({ operation, status: answer.status, ...answer.body }).toMatchObject({
        operation,
        status: 400,
        code: 'invalid_request',
        details: expect.stringContaining('property toString should not exist'),
      });
    }
  });

  it.each(['/health/live', '/health/ready', '/docs-json'])('is ignored by %s', async (path) => {
    expect((await app.admin.get(`${path}?colour=red`)).status).toBe(200);
  });
});

describe('a route that does not exist', () => {
  it.each(['/api', '/api/v1', '/api/v2/sync.json', `${RECORDS}/`, `${RECORDS}/1/2`, '/favicon.png'])(
    '%s is 404, with or without a key',
    async (path) => {
      for (const headers of [{ authorization: `Bearer ${dev.key}` }, undefined]) {
        const response = await fetch(app.url + path, { headers });
        expect(response.status).toBe(404);
        expectErrorBody(await response.json());
      }
    },
  );

  it(`is also ${API_KEYS} for a method that it does not have`, async () => {
    for (const method of ['PUT', 'PATCH', 'OPTIONS']) {
      const { status, body } = await app.admin.request(method, API_KEYS);
      expect(status).toBe(404);
      expectErrorBody(body);
    }
  });
});
