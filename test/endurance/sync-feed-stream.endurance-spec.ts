import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { memoryOf } from '../../tools/process-table.js';
import type { Api } from '../support/api.js';
import { createDatabase, runSql, type TestDatabase } from '../support/database.js';
import { openConnection } from '../support/raw-http.js';
import { createDeveloper, ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';

const EVENTS = 1_000_000;

let database: TestDatabase;
let server: ServerProcess;
let api: Api;

beforeAll(async () => {
  database = await createDatabase();
  server = await ServerProcess.start(database.env);
  api = await createDeveloper(server.url, 'dev-1');
  await server.stop();
  await runSql(
    database,
    `INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
     SELECT d.user_id, '2001-01-01'::timestamptz + n * interval '1 ms', 'created', 'route', 'routes', n, d.user_id
     FROM developers d, generate_series(1, ${EVENTS}) n`,
  );
  server = await ServerProcess.start(database.env);
  api = api.at(server.url);
}, 180_000);
afterAll(async () => {
  await server.stop();
  await database.drop();
});

/** Resident memory of the server process, in MiB. */
const residentMemory = () => memoryOf(server.child.pid!, 'VmRSS');

/** Whether the server's end of a connection is open, by the kernel's table (proc(5), /proc/net/tcp). */
function isEstablished(serverPort: number, clientPort: number): boolean {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
  const row = new RegExp(`: [0-9A-F]{8}:${hex(serverPort)} [0-9A-F]{8}:${hex(clientPort)} 01 `);
  return row.test(readFileSync('/proc/net/tcp', 'utf8'));
}

const openFeed = async (): Promise<IncomingMessage> => {
  const request = get(`${server.url}/api/v1/sync.json?since=1970-01-01`, {
    headers: { authorization: `Bearer ${api.key}` },
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response.setEncoding('utf8');
};

describe('a feed of 1,000,000 events', () => {
  it('is streamed whole and in order, in flat memory, while other requests are answered', async () => {
    // Page through a part first, so that caches of the process and of the database are filled.
    for (let since = '1970-01-01', page = 0; page < 5; page++) {
      const { body } = await api.sync({ since, limit: '10000' });
      since = body.meta.rwgps_datetime;
    }
    const before = residentMemory();
    let highest = before;
    let polls = 0;
    let isOver = false;
    const others = (async () => {
      while (!isOver) {
        const { status, body } = await api.sync('since=2999-01-01');
        expect({ status, items: body.items }).toEqual({ status: 200, items: [] });
        polls++;
        highest = Math.max(highest, residentMemory());
      }
    })();

    const response = await openFeed();
    expect(response.statusCode).toBe(200);
    let rest = '';
    let count = 0;
    for await (const chunk of response as AsyncIterable<string>) {
      const parts = (rest + chunk).split('"item_id":');
      for (const part of parts.slice(1, -1)) {
        if (parseInt(part, 10) !== ++count) throw new Error(`item ${part} came as number ${count}`);
      }
      rest = parts.length > 1 ? `"item_id":${parts.at(-1)}` : parts[0];
    }
    isOver = true;
    await others;
    expect(count + 1).toBe(EVENTS);
    const meta = JSON.parse(rest.slice(rest.indexOf('"meta":') + 7, -1));
    expect(meta.item_count).toBe(EVENTS);
    expect((await api.get(meta.next_sync_url)).body.items).toEqual([]);
    expect(polls).toBeGreaterThan(20);
    expect(highest - before).toBeLessThan(64);
  }, 180_000);

  it('waits for a slow client without reading ahead of it', async () => {
    const response = await openFeed();
    await once(response, 'readable');
    const before = residentMemory();
    // Nobody reads any more. If the server went on, these requests would see its memory grow by some 250 MB.
    for (let n = 0; n < 300; n++) await api.sync('since=2999-01-01');
    expect(residentMemory() - before).toBeLessThan(64);
    response.destroy();
    expect((await api.sync('since=2999-01-01')).status).toBe(200);
  });
});

it.each([
  [
    'a feed',
    () =>
      `GET /api/v1/sync.json?since=1970-01-01 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.key}\r\n\r\n`,
  ],
  // So many that the buffers of both ends are full.
  ['a page, without a key', () => 'GET /docs-json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50)],
])(
  'a client that does not read its answer is cut off after a minute: %s',
  async (_name, request) => {
    const socket = await openConnection(server.url);
    socket.pause();
    socket.write(request());
    const isOpen = () => isEstablished(Number(new URL(server.url).port), socket.localPort!);
    await until(isOpen);
    await until(() => !isOpen());
    socket.resume();
    await once(socket, 'close');
    expect(socket.text).toMatch(/^HTTP\/1.1 200 /);
  },
  180_000,
);

it('a stream that fails in the middle is cut off, so that nobody takes a part for the whole', async () => {
  const response = await openFeed();
  await once(response, 'readable');
  await server.stop('SIGKILL');
  const whole = (async () => {
    let text = '';
    for await (const chunk of response as AsyncIterable<string>) text += chunk;
    return text;
  })();
  await expect(whole).rejects.toThrow();
  server = await ServerProcess.start(database.env);
});
