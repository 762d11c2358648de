import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { RECORDS } from './support/api.js';
import { isServer } from './support/database.js';
import { useApp } from './support/app.js';
import { openConnection } from './support/raw-http.js';
import { until } from './support/until.js';

const app = useApp();

const sockets: Socket[] = [];
afterEach(() => sockets.splice(0).forEach((socket) => socket.destroy()));

/** Sends the head of a POST that announces 1 MiB, and a part of its body. */
async function post(key: string | undefined, body = '', more = '') {
  const socket = await openConnection(
    app.url,
    `POST ${RECORDS} HTTP/1.1\r\nHost: x\r\n${key === undefined ? '' : `Authorization: Bearer ${key}\r\n`}` +
      `Content-Type: application/json\r\nContent-Length: ${2 ** 20}\r\n${more}\r\n${body}`,
  );
  sockets.push(socket);
  return socket;
}

describe('nothing before the key: a body is neither awaited, nor read, nor parsed', () => {
  it.each([
    ['without a key', () => undefined, 401],
    ['with an unknown key', () => `tdm_${'x'.repeat(43)}`, 401],
    [
      'with a key that has not the scope',
      async () => (await app.developer('reader', ['sync:read'])).key,
      403,
    ],
  ])('%s', async (_name, key, status) => {
    const socket = await post(await key());
    await until(async () => socket.text !== '');
    expect(socket.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it.each([
    ['invalid', '{'],
    ['too large', 'x'.repeat(2 ** 21)],
  ])('one that is %s gets 401 without a key', async (_name, body) => {
    const response = await fetch(app.url + RECORDS, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(response.status).toBe(401);
  });
});

it('a caller has a quarter of the memory for bodies at most: the next one gets 503, other callers are served', async () => {
  const [hostile, honest] = [await app.developer('hostile'), await app.developer('honest')];
  const held = await Promise.all(
    Array.from({ length: isServer ? 16 : 4 }, () => post(hostile.key, '{', 'Expect: 100-continue\r\n')),
  );
  await until(async () => held.every(({ text }) => text.startsWith('HTTP/1.1 100')));
  const create = { developerId: 'honest', resourceType: 'ROUTE', resourceKey: 'a', data: {} };
  const refused = post(hostile.key, '{');
  expect((await honest.post(RECORDS, create)).status).toBe(201);
  await until(async () => (await refused).text !== '');
  expect((await refused).text).toMatch(/^HTTP\/1.1 503 [^]*\r\nretry-after: 5\r\n/i);
  // A client that goes away gives its bytes back.
  await Promise.all(held.map((socket) => (socket.destroy(), once(socket, 'close'))));
  const mine = { ...create, developerId: 'hostile' };
  await until(async () => (await hostile.post(RECORDS, mine)).status === 201);
});
