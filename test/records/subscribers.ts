import { beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { type Api, RECORDS } from '../support/api.js';
import { app } from './app.js';

let dev: Api;
beforeAll(async () => {
  dev = await app.developer('dev-1');
});

const tables = async () => ({
  records: await app.dataSource.query('SELECT * FROM records ORDER BY item_id'),
  events: await app.dataSource.query('SELECT * FROM change_events ORDER BY datetime'),
  clock: await app.dataSource.query('SELECT developer_id, clock FROM feeds ORDER BY user_id'),
});

let keys = 0;
const input = () => ({
  developerId: 'dev-1',
  resourceType: 'ROUTE',
  resourceKey: `key-${++keys}`,
  data: { km: 1 },
});

/** Every write path, on a record that exists, and the action that announces it. */
const WRITES: [string, string, (path: string) => ReturnType<Api['get']>, number][] = [
  ['POST', 'created', () => dev.post(RECORDS, input()), 201],
  ['POST by an admin', 'created', () => app.admin.post(RECORDS, input()), 201],
  ['PATCH of data', 'updated', (path) => dev.patch(path, { data: { km: 2 } }), 200],
  ['PATCH of status', 'updated', (path) => dev.patch(path, { status: 'ERROR' }), 200],
  ['PATCH of metadata', 'updated', (path) => dev.patch(path, { metadata: { a: 1 } }), 200],
  ['PATCH by an admin', 'updated', (path) => app.admin.patch(path, { data: { km: 3 } }), 200],
  ['DELETE', 'deleted', (path) => dev.delete(path), 204],
  ['DELETE by an admin', 'deleted', (path) => app.admin.delete(path), 204],
];

describe.each(WRITES)('%s', (_name, action, write, status) => {
  it(`emits exactly one event, ${action}`, async () => {
    const path = `${RECORDS}/${(await dev.create(input())).id}`;
    const before = await tables();
    expect((await write(path)).status).toBe(status);
    const after = await tables();
    const added = after.events.slice(before.events.length);
    // All that ever changes of an event is that the next one of its item supersedes it.
    const [last] = before.events.slice(-1);
    if (action !== 'created') last.superseded_at = added[0].datetime;
    expect(after.events.slice(0, before.events.length)).toEqual(before.events);
    expect(added).toEqual([
      expect.objectContaining({
        action,
        item_type: 'route',
        asset: 'routes',
        datetime: after.clock.find(({ developer_id }: { developer_id: string }) => developer_id === 'dev-1')
          .clock,
      }),
    ]);
    const record = after.records.find((row: { item_id: string }) => row.item_id === added[0].item_id);
    if (action === 'deleted') expect(record).toBeUndefined();
    else expect(record.updated_at).toEqual(added[0].datetime);
  });

  it('changes nothing at all when the event cannot be written', async () => {
    const path = `${RECORDS}/${(await dev.create(input())).id}`;
    const before = await tables();
    await app.dataSource.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no events today'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON change_events FOR EACH ROW EXECUTE FUNCTION refuse()`);
    try {
      expect(await write(path)).toMatchObject({
        status: 500,
        body: { error: 'Internal server error', code: 'internal_error' },
      });
    } finally {
      await app.dataSource.query('DROP FUNCTION refuse CASCADE');
    }
    expect(await tables()).toEqual(before);
  });
});

it('a write that changes nothing, is refused or fails emits nothing', async () => {
  const record = await dev.create(input());
  const path = `${RECORDS}/${record.id}`;
  const before = await tables();
  expect((await dev.patch(path, { data: { km: 1 }, status: 'ACTIVE', metadata: {} })).status).toBe(200);
  expect((await dev.patch(path, {})).status).toBe(200);
  expect((await dev.patch(path, { data: { km: 9 } }, { 'if-match': '"stale"' })).status).toBe(412);
  expect((await dev.delete(path, { 'if-match': '"stale"' })).status).toBe(412);
  expect((await dev.post(RECORDS, { ...input(), resourceKey: record.resourceKey })).status).toBe(409);
  expect((await dev.patch(path, { resourceKey: 'other' })).status).toBe(400);
  expect(await tables()).toEqual(before);
});

it('every class of a *.subscriber.ts file is registered with the DataSource', async () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const files = sources.filter((file) => file.endsWith('.subscriber.ts'));
  // A subscriber in any other file would not be looked at below.
  const registering = sources.filter((file) =>
    readFileSync(`src/${file}`, 'utf8').includes('subscribers.push('),
  );
  expect(registering.sort()).toEqual(files.sort());
  const modules: Record<string, unknown>[] = await Promise.all(
    files.map((file) => import(`../../src/${file.replace(/\.ts$/, '.js')}`)),
  );
  const classes = modules
    .flatMap((module) => Object.values(module))
    .filter((exported) => typeof exported === 'function' && /^class\b/.test(String(exported)));
  expect(classes).not.toEqual([]);
  const isRegistered = (subscriber: unknown) =>
    app.dataSource.subscribers.some((registered) => registered instanceof (subscriber as () => unknown));
  expect(classes.filter((subscriber) => !isRegistered(subscriber))).toEqual([]);
});
