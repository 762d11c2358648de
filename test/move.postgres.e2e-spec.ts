import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { RECORDS } from './support/api.js';
import { command } from './support/command.js';
import { type TestDatabase, createDatabase, runSql } from './support/database.js';
import { endServersAfterEach, spawn, start } from './support/embedded-server.js';
import { Receiver } from './support/receiver.js';
import { createDeveloper } from './support/server.js';
import { expectExactCopy, listAll, SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';
import { createApplication } from './support/webhooks.js';

endServersAfterEach();

let target: pg.Client;
let url: string;
let source: TestDatabase;
let receiver: Receiver;
const server = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
const name = `tidemark_move_${process.pid}`;

beforeAll(async () => {
  await server.connect();
  receiver = await Receiver.start();
});
afterAll(async () => {
  await server.end();
  await receiver.close();
});

/** An embedded database that has been served, and an empty database. */
async function prepare(): Promise<void> {
  source = await createDatabase({ embedded: true });
  await server.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  const address = new URL(process.env.TEST_DATABASE_URL!);
  address.pathname = `/${name}`;
  url = address.href;
  target = new pg.Client({ connectionString: url });
  await target.connect();
}
afterEach(async () => {
  await target.end();
  await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
  await source.drop();
  rmSync(source.env.DATA_DIR, { recursive: true, force: true });
});

const move = (to = url) => command('move-to-postgres', [to], { DATA_DIR: source.env.DATA_DIR });

/** Relations in the target. */
const relations = async () =>
  (await target.query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).rowCount;

it('clients, keys, secrets, ids, jobs and webhooks go on in PostgreSQL, as if nothing had happened', async () => {
  await prepare();
  const { DATA_DIR } = source.env;
  const settings = { DATA_DIR, WEBHOOK_ALLOW_PRIVATE: 'true', QUOTA_RECORDS: '1000' };
  let process = await start(DATA_DIR, settings);
  let { admin } = process;
  let dev = await createDeveloper(process.url, 'dev');
  let friend = await createDeveloper(process.url, 'friend');
  const application = await createApplication(admin, receiver);
  await application.connect('dev');
  // More than one page of a cursor, and values that must not change.
  for (let n = 0; n < 60; n++)
    await dev.create({ developerId: 'dev', resourceType: 'ROUTE', resourceKey: `key ${n}`, data: { n } });
  const special = `{"developerId":"dev","resourceType":"ROUTE","resourceKey":"\\\\N \\n,{}","data":
    {"b":1e2,"a":"\\\\ \\" \\t ☃ 𝄞 \\\\N","n":null},"metadata":{"x":[]}}`;
  const { body: odd } = await dev.post(RECORDS, special);
  expect((await dev.put(`${RECORDS}/${odd.id}/shares/friend`)).status).toBe(204);
  expect((await friend.put(`${RECORDS}/${odd.id}/pin`)).status).toBe(204);
  await dev.delete(`${RECORDS}/${(await listAll(dev, 'dev'))[3].id}`);
  const copy = await new SyncClient(dev).catchUp();
  const pinned = await new SyncClient(friend).catchUp();
  const read = async () => ({
    records: (await dev.get(`${RECORDS}?developerId=dev&limit=100`)).body,
    text: await (await fetch(`${dev.url}${RECORDS}/${odd.id}`, { headers: bearer(dev.key!) })).text(),
    feed: (await dev.sync({ since: '1970-01-01T00:00:00Z' })).body.items,
    pins: (await friend.sync({ since: '1970-01-01T00:00:00Z' })).body.items,
    keys: (await admin.get('/oauth/jwks')).body,
    audit: (await admin.get('/api/v1/audit-log')).body.items,
    webhook: (await admin.get(application.webhook)).body.url,
  });
  const before = withoutOrigin(await read(), process.url);
  await process.stop();

  const output = await move();
  expect(output).toMatch(/^ +60 +records$/m);
  expect(output).toContain(`SECRETS_KEY="$(cat '${join(DATA_DIR, 'secrets-key')}')"`);
  const SECRETS_KEY = readFileSync(join(DATA_DIR, 'secrets-key'), 'utf8').trim();
  process = await spawn({ ...settings, DATABASE_URL: url, SECRETS_KEY });
  await process.ready();
  ({ admin } = process);
  [dev, friend] = [dev.at(process.url), friend.at(process.url)];
  expect(withoutOrigin(await read(), process.url)).toEqual(before);
  copy.moveTo(dev);
  pinned.moveTo(friend);
  expect([await copy.poll(), await pinned.poll()]).toEqual([0, 0]);

  // Later ids and ticks: SyncClient throws for a change that comes twice, or out of order.
  const ids = copy.received.map((item) => item.item_id);
  const messages = receiver.messages.length;
  await dev.create({ developerId: 'dev', resourceType: 'ROUTE', resourceKey: 'after', data: {} });
  expect((await dev.patch(`${RECORDS}/${odd.id}`, { data: { after: true } })).status).toBe(200);
  await copy.catchUp();
  expect(copy.received.at(-2)!.item_id).toBeGreaterThan(Math.max(...ids));
  await expectExactCopy(copy, dev, 'dev');
  await until(async () => (await pinned.poll()) > 0);
  expect(pinned.received.at(-1)).toMatchObject({
    action: 'updated',
    item_id: odd.itemId ?? expect.anything(),
  });
  await until(() => receiver.messages.length > messages);
  const { rows } = await target.query('SELECT count(*)::int AS histories FROM histories');
  expect(rows).toEqual([{ histories: 1 }]);
  expect((await createDeveloper(process.url, 'new')).key).toBeDefined();

  // Fence: the old database takes no write any more, and no second move.
  await expect(start(DATA_DIR)).rejects.toThrow(`has moved: to ${new URL(url).host}/${name} at `);
  await expect(move()).rejects.toThrow('not empty: the earlier move to it is complete');
  // Two databases of one history must never both take writes.
  await expect(move(url.replace(/\w+$/, 'elsewhere'))).rejects.toThrow('has moved already');
});

it('a move that is refused leaves both databases as they were', async () => {
  await prepare();
  // Never served: its history is not known to be this one.
  await expect(move()).rejects.toThrow('start this version of the server on the embedded database once');
  const process = await start(source.env.DATA_DIR);
  await expect(move()).rejects.toThrow('in use by another process');
  await process.stop();
  await expect(move('postgres://postgres@127.0.0.1:1/x')).rejects.toThrow('Not moved');
  await expect(move('http://x')).rejects.toThrow('Usage');
  await runSql(source, `UPDATE migrations SET name = 'Newer1800000000000'`);
  await expect(move()).rejects.toThrow('start this version of the server');
  await runSql(source, `UPDATE migrations SET name = 'Initial1700000000000'`);
  expect(await relations()).toBe(0);
  await target.query('CREATE TABLE other (id integer)');
  await expect(move()).rejects.toThrow('the database of the URL is not empty');
  await target.query('DROP TABLE other');
  await expect(command('move-to-postgres', [url], { DATA_DIR: '/nonexistent' })).rejects.toThrow(
    'no database',
  );

  const untouched = await start(source.env.DATA_DIR);
  await untouched.stop();
  expect(await move()).toContain('Moved.');
});

it('a commit that fails: no server starts on either side, and the command goes on when it is run again', async () => {
  await prepare();
  const process = await start(source.env.DATA_DIR);
  await createDeveloper(process.url, 'dev');
  await process.stop();
  await target.query(`
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$;
    CREATE FUNCTION plant() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.histories') THEN
        CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON histories DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION fail();
      END IF;
    END $$;
    CREATE EVENT TRIGGER plant ON ddl_command_end WHEN tag IN ('CREATE TABLE') EXECUTE FUNCTION plant()`);
  await expect(move()).rejects.toThrow('Not moved: the disk is full');
  expect(await relations()).toBe(0);
  await expect(start(source.env.DATA_DIR)).rejects.toThrow('has moved');
  await target.query('DROP EVENT TRIGGER plant');
  expect(await move()).toContain('Moved.');
});

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

const withoutOrigin = (value: object, origin: string): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll(origin, ''));
