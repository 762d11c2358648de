import { afterEach, beforeEach, expect, it } from '@jest/globals';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:net';
import { type Api, RECORDS } from './support/api.js';
import { command } from './support/command.js';
import { endServersAfterEach, start } from './support/embedded-server.js';
import { createDatabase, createDeveloper, type TestDatabase } from './support/server.js';
import { expectExactCopy, listAll, SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';

endServersAfterEach();

let database: TestDatabase;
let DATA_DIR: string;
let target: string;
beforeEach(async () => {
  database = await createDatabase({ embedded: true });
  ({ DATA_DIR } = database.env);
  target = `${DATA_DIR}-backup`;
});
afterEach(async () => {
  rmSync(target, { recursive: true, force: true });
  await database.drop();
});

const backUp = () => command('backup', [target], database.env);
const restore = (...options: string[]) => command('restore', [target, ...options], database.env);

const input = (resourceKey: string) => ({
  developerId: 'dev',
  resourceType: 'ROUTE',
  resourceKey,
  data: { text: 'x'.repeat(2_000) },
});

it('a backup during writes is consistent, and after its restore every client ends exact', async () => {
  let server = await start(DATA_DIR);
  let dev = await createDeveloper(server.url, 'dev');
  for (let n = 0; n < 20; n++) await dev.create(input(`early ${n}`));
  const early = await new SyncClient(dev).catchUp();

  // Acknowledged before the backup begins: it must be in it.
  const before = await listAll(dev, 'dev');
  let isDone = false;
  let writes = 0;
  const writing = [1, 2, 3].map(async (writer) => {
    for (let n = 0; !isDone; n++, writes++) {
      const { id } = await dev.create(input(`${writer} ${n}`));
      if (n % 3 === 0) expect((await dev.patch(`${RECORDS}/${id}`, { data: {} })).status).toBe(200);
      if (n % 5 === 0) expect((await dev.delete(`${RECORDS}/${id}`)).status).toBe(204);
    }
  });
  await until(() => writes > 20);
  const atStart = writes;
  expect(await backUp()).toContain(target);
  expect(writes).toBeGreaterThan(atStart);
  const atEnd = writes;
  await until(() => writes > atEnd + 20);
  isDone = true;
  await Promise.all(writing);
  const late = await new SyncClient(dev).catchUp();
  await server.stop();

  await expect(restore()).rejects.toThrow('is not empty: --overwrite replaces its contents');
  expect(await restore('--overwrite')).toContain('A new history begins');
  server = await start(DATA_DIR);
  dev = dev.at(server.url);
  const restored = await listAll(dev, 'dev');
  expect(restored.slice(0, before.length)).toEqual(before);
  expect(restored.length).toBeGreaterThan(before.length);
  early.moveTo(dev);
  await early.catchUp();
  await expectExactCopy(early, dev, 'dev');
  late.moveTo(dev);
  await expect(late.poll()).rejects.toThrow('cursor_lost');
  await dev.create(input('after'));
  await early.catchUp();
  await expectExactCopy(early, dev, 'dev');
  await expectExactCopy(await new SyncClient(dev).catchUp(), dev, 'dev');
});

it('a backup without a server is a whole directory of its own, with the keys', async () => {
  const server = await start(DATA_DIR, { ADMIN_API_KEY: '' });
  await server.stop();
  await backUp();
  expect(readdirSync(target).sort()).toEqual(['admin-api-key', 'postgres', 'secrets-key']);
  for (const name of ['admin-api-key', 'secrets-key'])
    expect(statSync(join(target, name)).mode & 0o777).toBe(0o600);
  expect(statSync(target).mode & 0o777).toBe(0o700);

  const key = readFileSync(join(target, 'admin-api-key'), 'utf8').trim();
  rmSync(DATA_DIR, { recursive: true });
  await restore();
  const again = await start(DATA_DIR, { ADMIN_API_KEY: '' });
  const headers = { authorization: `Bearer ${key}` };
  expect((await again.admin.get('/api/v1/audit-log', headers)).status).toBe(200);
  expect(existsSync(join(DATA_DIR, 'restoring'))).toBe(false);
});

it('what a backup or a restore refuses is as it was before', async () => {
  const server = await start(DATA_DIR);
  const dev: Api = await createDeveloper(server.url, 'dev');
  await dev.create(input('a'));
  mkdirSync(target);
  await expect(backUp()).rejects.toThrow('exists');
  await expect(restore('--overwrite')).rejects.toThrow('is not a backup');
  rmSync(target, { recursive: true });
  await backUp();
  await expect(restore('--overwrite')).rejects.toThrow('in use by another process');
  await server.stop();

  // A damaged backup is not put in place.
  const damaged = join(target, 'postgres', 'global', 'pg_control');
  writeFileSync(damaged, Buffer.alloc(statSync(damaged).size));
  await expect(restore('--overwrite')).rejects.toThrow('Nothing was restored');
  const again = await start(DATA_DIR);
  expect(await listAll(dev.at(again.url), 'dev')).toHaveLength(1);
  await expect(command('backup', [target], { DATABASE_URL: 'postgres://x/y' })).rejects.toThrow('pg_dump');
  await expect(command('backup', [], database.env)).rejects.toThrow('Usage');
  if (process.platform === 'linux')
    await expect(command('backup', ['/proc/x/y'], database.env)).rejects.toThrow('ENOENT');
  await expect(command('restore', [], database.env)).rejects.toThrow('Usage');
});

it('a backup that is refused, since another one is running, takes nothing from that one', async () => {
  await start(DATA_DIR);
  const partial = `${target}.partial`;
  const socket = connect(join(DATA_DIR, 'socket', 'backup'));
  await new Promise((resolve) => socket.once('data', resolve));
  const copied = join(partial, 'postgres', 'PG_VERSION');
  mkdirSync(join(partial, 'postgres'), { recursive: true });
  writeFileSync(copied, '');
  await expect(backUp()).rejects.toThrow('another backup is running');
  expect(existsSync(copied)).toBe(true);
  socket.destroy();
  // What a backup that was cut off has left is in no way.
  await until(() =>
    backUp().then(
      () => true,
      () => false,
    ),
  );
  expect(existsSync(partial)).toBe(false);
});

it('no server starts on a directory whose restore was cut off, until it is run again', async () => {
  await backUp();
  rmSync(join(DATA_DIR, 'postgres'), { recursive: true });
  mkdirSync(join(DATA_DIR, 'restoring'));
  await expect(start(DATA_DIR)).rejects.toThrow('has not ended');
  await restore('--overwrite');
  expect((await fetch(`${(await start(DATA_DIR)).url}/health/ready`)).status).toBe(200);
});

it('a backup process that dies leaves the server able to make the next one', async () => {
  const server = await start(DATA_DIR);
  const socket = connect(join(DATA_DIR, 'socket', 'backup'));
  await new Promise((resolve) => socket.once('data', resolve));
  await expect(backUp()).rejects.toThrow('another backup is running');
  expect(existsSync(`${target}.partial`)).toBe(false);
  socket.destroy();
  await until(() =>
    backUp().then(
      () => true,
      () => false,
    ),
  );
  await server.stop();
  // The shutdown cuts one off.
  const again = await start(DATA_DIR);
  const other = connect(join(DATA_DIR, 'socket', 'backup'));
  await new Promise((resolve) => other.once('data', resolve));
  expect(await again.stop()).toEqual({ code: 0, signal: null });
});

it('a data directory with a path that is too long for a socket is backed up as well', async () => {
  const long = join(DATA_DIR, 'long'.repeat(30));
  for (const name of ['postgres', 'secrets-key'])
    cpSync(join(DATA_DIR, name), join(long, name), { recursive: true });
  const server = await start(long);
  expect(await command('backup', [target], { DATA_DIR: long })).toContain(target);
  await server.stop();
  expect(readdirSync(long).sort()).toEqual(['lock', 'postgres', 'secrets-key']);
});
