import { afterEach, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { useApp } from './support/app.js';
import { RECORDS } from './support/api.js';
import { type OpenConnection, openConnection } from './support/raw-http.js';
import { until } from './support/until.js';

/** 20 of one address. */
const app = useApp({ CONNECTION_LIMIT: '30' });

const sockets: Socket[] = [];
afterEach(() => sockets.splice(0).forEach((socket) => socket.destroy()));

async function open(address: string, text?: string): Promise<OpenConnection> {
  const socket = await openConnection(app.url, text, address);
  sockets.push(socket);
  return socket;
}
const openMany = async (count: number, address: string, text?: string) => {
  const opened = [];
  for (let n = 0; n < count; n++) opened.push(await open(address, text));
  return opened;
};
const alive = (opened: Socket[]) => opened.filter(({ destroyed }) => !destroyed).length;
const GET = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';

it('connections that send nothing make room for new ones, of their own address first', async () => {
  const other = await openMany(5, '127.0.0.3');
  const silent = await openMany(100, '127.0.0.2');
  await until(async () => alive(silent) === 20);
  expect(alive(other)).toBe(5);
  for (const address of ['127.0.0.2', '127.0.0.3']) {
    const socket = await open(address, GET);
    await until(async () => socket.text.startsWith('HTTP/1.1 200'));
  }
});

it('a connection that has served a request stays longer than those that have sent nothing', async () => {
  const used = await openMany(10, '127.0.0.2', GET);
  await until(async () => used.every(({ text }) => text !== ''));
  await openMany(100, '127.0.0.2');
  expect(alive(used)).toBe(10);
  used[0].write(GET);
  await until(async () => used[0].text.split('HTTP/1.1 200').length === 3);
});

it('where every connection is busy, a new one gets 503 with Retry-After', async () => {
  const { key } = await app.developer('dev');
  const head =
    `POST ${RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n` +
    'Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n';
  const busy = await openMany(20, '127.0.0.2', head);
  await until(async () => busy.every(({ text }) => text.startsWith('HTTP/1.1 100')));
  const refused = await open('127.0.0.2', GET);
  await once(refused, 'close');
  expect(refused.text).toMatch(/^HTTP\/1.1 503 [^]*\r\nRetry-After: 5\r\n/);
  expect(refused.text).toMatch(/\r\n\r\n\{"error":"Too many connections","code":"service_unavailable"\}$/);
  expect(alive(busy)).toBe(20);
  // Another address is served.
  const other = await open('127.0.0.3', GET);
  await until(async () => other.text.startsWith('HTTP/1.1 200'));
});

it('a connection that sends nothing, or stops in the middle of a request, ends after 10 s', async () => {
  const { key } = await app.developer('dev');
  const post = `POST ${RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n`;
  const [silent, head, body] = [
    await open('127.0.0.2'),
    await open('127.0.0.2', 'GET /health/live HTTP/1.1\r\nHo'),
    await open('127.0.0.2', `${post}Content-Length: 100\r\n\r\n{`),
  ];
  await Promise.all([silent, head, body].map((socket) => once(socket, 'close')));
  for (const { text } of [head, body]) expect(text).toMatch(/^HTTP\/1\.1 408 /);
}, 30_000);
