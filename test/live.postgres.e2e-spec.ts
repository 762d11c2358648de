import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Api } from './support/api.js';
import { useApp } from './support/app.js';
import { EventSource } from './support/event-source.js';
import { openConnection } from './support/raw-http.js';
import { ServerProcess } from './support/server.js';
import { until } from './support/until.js';

/** The server under test holds the requests; the other process writes. */
const app = useApp();
let other: ServerProcess;
beforeAll(async () => {
  other = await ServerProcess.start({ DATABASE_URL: process.env.DATABASE_URL! });
});
afterAll(() => other.stop());

const SYNC = '/api/v1/sync.json?since=1970-01-01T00:00:00Z';
const LISTENS = `
  FROM pg_stat_activity
  WHERE datname = current_database() AND query ~ '^(LISTEN|SELECT 1$|SELECT pg_notify)'
    AND application_name = 'tidemark' AND pid <> pg_backend_pid()`;

let names = 0;

/** A developer whose request waits at the server under test. */
async function hold() {
  const developerId = `dev-${++names}`;
  const dev = await app.developer(developerId);
  const { body } = await dev.get(SYNC);
  const before = app.live();
  const answer = dev.get(`${body.meta.next_sync_url}&wait=55`);
  await until(() => app.live() > before);
  const write = () =>
    dev.at(other.url).create({ developerId, resourceType: 'ROUTE', resourceKey: `${++names}`, data: {} });
  return { dev, answer, write };
}

it('a change of another process ends a wait', async () => {
  const { answer, write } = await hold();
  await write();
  expect((await answer).body.items).toHaveLength(1);
});

it('a change of another process is the next event of a stream', async () => {
  const { dev, answer, write } = await hold();
  const stream = new EventSource(new Api(app.url, dev.key), SYNC);
  await until(() => stream.pages.length === 1);
  await write();
  await until(() => stream.pages.length === 2);
  await stream.close();
  await answer;
});

it('a change comes although the sessions of LISTEN are lost, and they come back', async () => {
  const { answer, write } = await hold();
  await app.dataSource.query(`SELECT pg_terminate_backend(pid) ${LISTENS}`);
  await write();
  expect((await answer).body.items).toHaveLength(1);
  await until(async () => (await app.dataSource.query(`SELECT pid ${LISTENS}`)).length >= 2);
  const next = await hold();
  await next.write();
  expect((await next.answer).body.items).toHaveLength(1);
});

it('a request whose client is gone before it waits is not counted', async () => {
  const dev = await app.developer(`dev-${++names}`);
  const { body } = await dev.get(SYNC);
  const before = app.live();
  const runner = app.dataSource.createQueryRunner();
  await runner.startTransaction();
  await runner.query('LOCK feeds');
  const path = `${new URL(body.meta.next_sync_url).pathname}${new URL(body.meta.next_sync_url).search}&wait=55`;
  const waiting = `SELECT FROM pg_locks WHERE NOT granted AND relation = 'feeds'::regclass`;
  for (const accept of ['application/json', 'text/event-stream']) {
    const head = `Host: x\r\nAuthorization: Bearer ${dev.key}\r\nAccept: ${accept}\r\n`;
    const client = await openConnection(app.url, `GET ${path} HTTP/1.1\r\n${head}\r\n`);
    await until(async () => (await runner.query(waiting)).length > 0);
    client.destroy();
  }
  // The server has seen the end of both once it answers what was sent after it.
  for (let n = 0; n < 20; n++) await dev.get('/health/live');
  await runner.rollbackTransaction();
  await runner.release();
  for (let n = 0; n < 20; n++) await dev.get(SYNC);
  expect(app.live()).toBe(before);
});

it('SIGTERM answers all that wait with their cursor, and ends streams', async () => {
  const server = await ServerProcess.start({ DATABASE_URL: process.env.DATABASE_URL! });
  const dev = (await app.developer(`dev-${++names}`)).at(server.url);
  const { body } = await dev.get(SYNC);
  const stream = new EventSource(dev, SYNC);
  await until(() => stream.pages.length === 1);
  const answers = [1, 2, 3].map(() => dev.get(`${body.meta.next_sync_url}&wait=55`));
  // Each is at the server once it answers what was sent after it.
  for (let n = 0; n < 20; n++) await dev.get('/health/live');
  expect((await server.stop()).code).toBe(0);
  for (const { status, body: end } of await Promise.all(answers)) {
    expect(status).toBe(200);
    expect(end.meta.rwgps_datetime).toBe(body.meta.rwgps_datetime);
  }
  await stream.ended;
});
