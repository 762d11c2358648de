import { describe, expect, it } from '@jest/globals';
import { Api, RECORDS } from './support/api.js';
import { useApp } from './support/app.js';
import { expectError } from './support/errors.js';
import { openConnection } from './support/raw-http.js';
import { until } from './support/until.js';

const app = useApp({ RATE_LIMIT: '50', REFUSAL_LIMIT: '20' });

/** All requests of a test belong to one window of a minute: waits for the next one if this one ends soon. */
const wholeWindow = () => until(() => new Date().getSeconds() < 50);

describe('RATE_LIMIT', () => {
  it('is told with every answer, and refuses a credential beyond it: 429 with Retry-After', async () => {
    await wholeWindow();
    const api = await app.developer('busy');
    for (let n = 1; n <= 50; n++) {
      const { status, headers } = await api.get(RECORDS);
      expect(status).toBe(200);
      expect(headers.get('ratelimit-policy')).toBe('"credential";q=50;w=60');
      expect(headers.get('ratelimit')).toMatch(new RegExp(`^"credential";r=${50 - n};t=\\d+$`));
    }
    const answer = await api.get(RECORDS);
    expectError(answer, 429, 'rate_limited', '50 requests a minute');
    expect(answer.headers.get('ratelimit')).toMatch(/^"credential";r=0;t=\d+$/);
    const seconds = Number(answer.headers.get('retry-after'));
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(60);
    expect((await api.post(RECORDS, {})).status).toBe(429);
    expect((await (await app.developer('idle')).get(RECORDS)).status).toBe(200);
  }, 30_000);
});

describe('REFUSAL_LIMIT', () => {
  const wrong = () => new Api(app.url, `tdm_${crypto.randomUUID().replaceAll('-', '').padEnd(43, 'x')}`);

  it('refuses unknown credentials of an address beyond it; known ones, and other addresses, go on', async () => {
    await wholeWindow();
    const known = await app.developer('known');
    const unused = await app.developer('unused');
    expect((await known.get(RECORDS)).status).toBe(200);
    for (let n = 0; n < 20; n++) expect((await wrong().get(RECORDS)).status).toBe(401);
    const answer = await wrong().get(RECORDS);
    expectError(answer, 429, 'rate_limited', 'credentials of this address');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    // Even a right one: it would have to be looked up.
    expect((await unused.get(RECORDS)).status).toBe(429);
    expect((await known.get(RECORDS)).status).toBe(200);
    expect((await new Api(app.url).get(RECORDS)).status).toBe(401);
    const elsewhere = await openConnection(
      app.url,
      `GET ${RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${unused.key}\r\n\r\n`,
      '127.0.0.2',
    );
    await until(() => elsewhere.text !== '');
    expect(elsewhere.text).toMatch(/^HTTP\/1.1 200 /);
    elsewhere.destroy();
  }, 30_000);
});
