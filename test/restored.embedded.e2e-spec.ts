import { afterEach, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { RECORDS } from './support/api.js';
import { runSql } from './support/database.js';
import { endServersAfterEach, start } from './support/embedded-server.js';
import { createDatabase, createDeveloper, type TestDatabase } from './support/server.js';
import { ReadmeClient } from './support/readme-client.js';
import { expectExactCopy, SyncClient } from './support/sync-client.js';

endServersAfterEach();

let database: TestDatabase;
afterEach(() => database.drop());

const restored = ({ env }: TestDatabase) =>
  promisify(execFile)(process.execPath, ['dist/src/restored.js'], {
    env: { PATH: process.env.PATH, LOG_LEVEL: 'silent', ...env },
  });

it('a snapshot of the data directory: `npm run restored` declares it, and lost cursors get 410', async () => {
  database = await createDatabase({ embedded: true });
  const { DATA_DIR } = database.env;
  const copy = `${DATA_DIR}-copy`;

  let server = await start(DATA_DIR);
  const dev = await createDeveloper(server.url, 'dev');
  await dev.create({ developerId: 'dev', resourceType: 'ROUTE', resourceKey: 'kept', data: {} });
  const early = await new SyncClient(dev).catchUp();
  await server.stop();
  cpSync(DATA_DIR, copy, { recursive: true });
  server = await start(DATA_DIR);
  let at = dev.at(server.url);
  await at.create({ developerId: 'dev', resourceType: 'ROUTE', resourceKey: 'lost', data: {} });
  const lost = (await at.sync({ since: '1970-01-01' })).body.meta.rwgps_datetime;
  await expect(restored(database)).rejects.toThrow('in use by another process');
  await server.stop();

  rmSync(DATA_DIR, { recursive: true });
  cpSync(copy, DATA_DIR, { recursive: true });
  rmSync(copy, { recursive: true });
  expect((await restored(database)).stdout).toMatch(/^A new history begins\. Cursors after 20/);
  server = await start(DATA_DIR);
  at = dev.at(server.url);
  const { status, body } = await at.sync({ since: lost });
  expect([status, body.code]).toEqual([410, 'cursor_lost']);
  early.moveTo(at);
  expect(await early.poll()).toBe(0);
  await at.create({ developerId: 'dev', resourceType: 'ROUTE', resourceKey: 'after', data: {} });
  expect(await early.poll()).toBe(1);
  await expectExactCopy(early, at, 'dev');
});

it('a new database in place of a lost one: `npm run restored` declares that nothing has survived', async () => {
  database = await createDatabase({ embedded: true });
  await restored(database);
  const server = await start(database.env.DATA_DIR);
  const dev = await createDeveloper(server.url, 'dev');
  expect((await dev.sync({ since: '2024-09-01' })).status).toBe(410);
  const { status, body } = await dev.sync({ since: '1970-01-01T00:00:00Z' });
  expect(status).toBe(200);
  expect((await dev.get(body.meta.next_sync_url)).status).toBe(200);
  await dev.post(RECORDS, { developerId: 'dev', resourceType: 'ROUTE', resourceKey: 'a', data: {} });
  expect((await dev.get(body.meta.next_sync_url)).body.items).toHaveLength(1);
});

it('a repair by hand, with the guard off: `npm run restored` makes every client start anew', async () => {
  database = await createDatabase({ embedded: true });
  let server = await start(database.env.DATA_DIR);
  const dev = await createDeveloper(server.url, 'dev');
  for (const resourceKey of ['a', 'b'])
    await dev.create({ developerId: 'dev', resourceType: 'ROUTE', resourceKey, data: {} });
  const client = new ReadmeClient(dev);
  const contents = () => [...client.copy.values()].map(({ content }) => content);
  await client.sync();
  expect(contents()).toMatchObject([{ data: {} }, { data: {} }]);
  await server.stop();

  await runSql(
    database,
    `WITH gone AS (DELETE FROM records WHERE resource_key = 'b' RETURNING user_id, item_id),
       forgotten AS (DELETE FROM change_events e USING gone WHERE e.item_id = gone.item_id)
     UPDATE records SET data = '{"by": "hand"}' WHERE resource_key = 'a'`,
  );
  await restored(database);
  server = await start(database.env.DATA_DIR);
  client.moveTo(dev.at(server.url));
  await client.sync(true);
  expect(contents()).toMatchObject([{ data: { by: 'hand' } }]);
});
