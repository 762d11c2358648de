import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { DIGEST_EXAMPLE, SYNC_EXAMPLE } from '../../src/sync-feed/sync-example.js';
import { type Api, RECORDS } from '../support/api.js';
import { digestOf } from '../support/digest.js';
import { SyncClient } from '../support/sync-client.js';
import { withoutGuard } from '../support/without-guard.js';
import { app } from './app.js';
import { createLibraries, randomLibraries } from './random-libraries.js';

const START = '1970-01-01';
const ASSETS = ['', '&assets=routes', '&assets=trips'];
const EMPTY = { items: 0, xor: '0'.repeat(32) };

/** Polls once and expects that the digest of the answer is that of the copy. */
async function expectProof(follower: SyncClient): Promise<void> {
  await follower.poll({ digest: true });
  expect({ digest: follower.meta!.digest }).toEqual({ digest: await digestOf(follower.copy()) });
}

async function catchUpWithProof(follower: SyncClient): Promise<SyncClient> {
  do await expectProof(follower);
  while (follower.meta!.has_more);
  return follower;
}

let developers = 0;

async function newDeveloper(): Promise<{ id: string; api: Api; create: () => Promise<{ id: string }> }> {
  const id = `digest-${++developers}`;
  const api = await app.developer(id);
  let keys = 0;
  const create = () =>
    api.create({ developerId: id, resourceType: 'ROUTE', resourceKey: `${++keys}`, data: {} });
  return { id, api, create };
}

describe('digest=true', () => {
  it('is what followers compute at their cursors: plain, in pages, compact; of all assets and of one', async () => {
    const { apis, random, step } = await createLibraries();
    const upTo = (max: number) => () => 1 + Math.floor(random() * max);
    const libraries = apis.flatMap((api) => ASSETS.map((assets) => ({ api, since: START + assets })));
    const plain = libraries.map(({ api, since }) => new SyncClient(api, since));
    const paged = libraries.map(({ api, since }) => new SyncClient(api, since, upTo(3)));
    const compact = () => libraries.map(({ api, since }) => new SyncClient(api, `${since}&compact=true`));
    let compactFirst = compact();
    for (let i = 0; i < 80; i++) {
      await step();
      if (random() < 0.2) compactFirst = compact();
      for (const follower of [...plain, ...paged, ...compactFirst])
        if (random() < 0.3) await expectProof(follower);
    }
    for (let i = 0; i < libraries.length; i++) {
      const [first, ...others] = [plain[i], paged[i], compactFirst[i]];
      await catchUpWithProof(first);
      for (const other of others) {
        await catchUpWithProof(other);
        expect(other.meta!.rwgps_datetime).toBe(first.meta!.rwgps_datetime);
        expect(other.meta!.digest).toEqual(first.meta!.digest);
      }
    }
  });

  it('is as of the cursor of each page, whatever has changed since', async () => {
    const { apis, names } = await randomLibraries(100);
    for (const [i, api] of apis.entries()) {
      // A pin that ends and begins again: as of a cursor between the two, its latest change is a tombstone.
      const input = { developerId: names[i], resourceType: 'ROUTE', resourceKey: 'pinned twice', data: {} };
      const path = `${RECORDS}/${(await api.create(input)).id}/pin`;
      for (const change of ['put', 'delete', 'put'] as const) await api[change](path);
      for (const assets of ASSETS) await catchUpWithProof(new SyncClient(api, START + assets, () => 1));
    }
  });

  it('is left out of a page of a compact sync that is not the last', async () => {
    const { api, create } = await newDeveloper();
    const { id } = (await api.get('/api/v1/users/current.json')).body.user;
    const [first] = [await create(), await create(), await create()];
    const follower = new SyncClient(api, `${START}&compact=true`, () => 1, id);
    // The pages are one snapshot: the second state of the first item comes after the last of them.
    for (const [received, hasMore] of [
      [1, true],
      [2, true],
      [3, false],
      [4, false],
    ] as const) {
      await follower.poll({ digest: true });
      expect(follower.received).toHaveLength(received);
      expect(follower.meta!.has_more).toBe(hasMore);
      if (hasMore) expect(follower.meta).not.toHaveProperty('digest');
      else expect(follower.meta!.digest).toEqual(await digestOf(follower.copy()));
      if (received === 1) await api.patch(`${RECORDS}/${first.id}`, { data: { km: 2 } });
    }
  });

  it('differs from that of a copy without an item, with a ghost, or with a stale tick', async () => {
    const { api, create } = await newDeveloper();
    const [first, second] = [await create(), await create()];
    await create();
    const stale = await new SyncClient(api).catchUp();
    await api.patch(`${RECORDS}/${first.id}`, { data: { km: 2 } });
    await api.put(`${RECORDS}/${second.id}/pin`);
    const follower = new SyncClient(api);
    await expectProof(follower);
    const copy = follower.copy();
    expect(follower.meta!.digest!.items).toBe(4);
    const [[updated], [pinned, both]] = copy;
    const wrong = {
      'a missing item': [...copy].slice(1),
      'a missing pin': [...copy, [pinned, { own: both.own }]],
      'a ghost': [...copy, [2 ** 31, { own: both.own }]],
      'a stale tick': [...copy, [updated, stale.copy().get(updated)]],
      'the tick of the item as that of its pin': [...copy, [pinned, { own: both.own, pinned: both.own }]],
      'a pin in place of an item': [...copy, [updated, { pinned: copy.get(updated)!.own }]],
    };
    for (const [name, entries] of Object.entries(wrong)) {
      const { xor } = await digestOf(new Map(entries as [number, typeof both][]));
      expect({ name, xor }).not.toEqual({ name, xor: follower.meta!.digest!.xor });
    }
  });

  it('is zero for an empty library, at first and after the last deletion', async () => {
    const { api, create } = await newDeveloper();
    const digest = async () => (await api.sync({ since: START, digest: 'true' })).body.meta.digest;
    expect(await digest()).toEqual(EMPTY);
    const { id } = await create();
    expect(await digest()).toEqual({ items: 1, xor: expect.stringMatching(/^(?!0{32})[0-9a-f]{32}$/) });
    await api.delete(`${RECORDS}/${id}`);
    expect(await digest()).toEqual(EMPTY);
  });

  it('is not asked for again by next_sync_url, and absent without the parameter', async () => {
    const { api } = await newDeveloper();
    const { meta } = (await api.sync({ since: START, digest: 'true' })).body;
    expect([...new URL(meta.next_sync_url).searchParams.keys()]).toEqual(['since']);
    expect((await api.get(meta.next_sync_url)).body.meta).not.toHaveProperty('digest');
    expect((await api.sync({ since: START, digest: 'false' })).body.meta).not.toHaveProperty('digest');
  });

  it('is 304 as long as the library is the same', async () => {
    const { api, create } = await newDeveloper();
    await create();
    const path = `/api/v1/sync.json?since=${START}&digest=true`;
    const { headers, body } = await api.get(path);
    const conditional = { 'if-none-match': headers.get('etag')! };
    expect((await api.get(path, conditional)).status).toBe(304);
    await create();
    const { status, body: next } = await api.get(path, conditional);
    expect(status).toBe(200);
    expect(next.meta.digest.items).toBe(2);
    expect(next.meta.digest.xor).not.toBe(body.meta.digest.xor);
  });

  it.each(['', '1', 'TRUE', 'yes', 'true&digest=true'])('refuses %p', async (value) => {
    const { api } = await newDeveloper();
    const { status, body } = await api.get(`/api/v1/sync.json?since=${START}&digest=${value}`);
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'invalid_request' });
    expect(body.details).toContain('digest');
  });

  it('ends a stream, and reads no history, with a custom and a generic plan', async () => {
    const { id, api } = await newDeveloper();
    const [{ userId }] = await app.dataSource.query(
      'SELECT user_id AS "userId" FROM developers WHERE developer_id = $1',
      [id],
    );
    // 1,200 items; the first of them has 40,000 superseded changes.
    await withoutGuard(
      app.dataSource,
      `INSERT INTO change_events
         (user_id, datetime, action, item_type, asset, item_id, item_user_id, superseded_at)
       SELECT $1::int, tick, CASE n WHEN 1 THEN 'created' ELSE 'updated' END, 'route', 'routes', 1e9, $1,
         CASE n WHEN 40000 THEN 'infinity' ELSE tick + interval '1 ms' END
       FROM generate_series(1, 40000) n,
         LATERAL (SELECT '2001-01-01'::timestamptz + n * interval '1 ms' AS tick) t
       UNION ALL
       SELECT $1, '2002-01-01'::timestamptz + n * interval '1 ms', 'created', 'route', 'routes', 1e9 + n, $1,
         'infinity'
       FROM generate_series(1, 1199) n`,
      [userId],
    );
    await app.dataSource.query('VACUUM ANALYZE change_events');
    const follower = new SyncClient(api, `${START}&compact=true`);
    await expectProof(follower);
    expect(follower.meta!.digest!.items).toBe(1_200);

    // Only now: the settings of a process are read once, when this module is loaded.
    const { READ_DIGEST } = await import('../../src/sync-feed/digest.js');
    for (const kind of ['custom', 'generic']) {
      const plan = await app.dataSource.transaction(async (manager) => {
        await manager.query(`SET LOCAL plan_cache_mode = force_${kind}_plan`);
        await manager.query(`PREPARE digest AS ${READ_DIGEST}`);
        const [row] = await manager.query(
          `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE digest(${userId}, clock_timestamp(), null)`,
        );
        await manager.query('DEALLOCATE digest');
        return row['QUERY PLAN'][0].Plan;
      });
      // In pages of 8 kB; the history has more than 400.
      expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(50);
    }
  });
});

describe('the documents', () => {
  it('show the digest of their example', async () => {
    const copy = new Map(
      SYNC_EXAMPLE.items
        .filter(({ action }) => action !== 'deleted')
        .map(({ item_id, item_user_id, datetime }) => [
          item_id,
          item_user_id === 1 ? { own: datetime } : { pinned: datetime },
        ]),
    );
    expect(await digestOf(copy)).toEqual(DIGEST_EXAMPLE.meta.digest);
    expect(readFileSync('docs/sync-feed.md', 'utf8')).toContain(
      JSON.stringify(DIGEST_EXAMPLE.meta.digest!.xor),
    );
    for (const [id, item] of copy)
      expect(readFileSync('docs/sync-feed.md', 'utf8')).toContain(
        (await digestOf(new Map([[id, item]]))).xor,
      );
  });
});
