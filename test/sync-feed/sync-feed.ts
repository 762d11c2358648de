import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Api, RECORDS } from '../support/api.js';
import { recordQueries } from '../support/queries.js';
import { expectExactCopy, SyncClient, type SyncItem } from '../support/sync-client.js';
import { withoutGuard } from '../support/without-guard.js';
import { app } from './app.js';

const SYNC = '/api/v1/sync.json';

let developers = 0;

/** A developer with an empty library. */
async function newDeveloper(): Promise<{
  api: Api;
  id: string;
  create: (type?: string) => Promise<{ id: string }>;
}> {
  const id = `developer-${++developers}`;
  const api = await app.developer(id);
  let keys = 0;
  const create = (resourceType = 'ROUTE') =>
    api.create({ developerId: id, resourceType, resourceKey: `key-${++keys}`, data: { keys } });
  return { api, id, create };
}

describe('the answer', () => {
  it('has every field of the document, in its formats', async () => {
    const { api, create } = await newDeveloper();
    await create('ROUTE');
    const { status, headers, body } = await api.sync('since=2024-09-01T00:00:00Z&assets=routes,trips');
    expect(status).toBe(200);
    const [item] = body.items;
    expect(item).toEqual({
      item_type: 'route',
      item_id: expect.any(Number),
      item_user_id: expect.any(Number),
      item_url: `https://sync.example.com/api/v1/routes/${item.item_id}.json`,
      action: 'created',
      datetime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      collection: null,
    });
    const until = body.meta.rwgps_datetime;
    expect(until).toBe(item.datetime.replace('Z', '+00:00'));
    expect(body).toEqual({
      items: [item],
      meta: {
        rwgps_datetime: until,
        next_sync_url: `https://sync.example.com/api/v1/sync.json?assets=routes%2Ctrips&since=${encodeURIComponent(until)}`,
        item_count: 1,
        date_range: { since: '2024-09-01T00:00:00Z', until },
      },
    });
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('cache-control')).toBe('private, no-cache');
    expect(headers.get('vary')).toBe('Authorization, Accept, Prefer');
  });

  it('lists each change of an item as an item of its own, oldest first, dated like the record', async () => {
    const { api, create } = await newDeveloper();
    const record = await create();
    const path = `${RECORDS}/${record.id}`;
    const patched = await api.patch(path, { status: 'ERROR' });
    const beforeDelete = await api.sync('since=1970-01-01');
    await api.delete(path);
    const { items } = (await api.sync('since=1970-01-01')).body;
    expect(items.map((item: SyncItem) => item.action)).toEqual(['created', 'updated', 'deleted']);
    expect(items.slice(0, 2)).toEqual(beforeDelete.body.items);
    expect(items[0].datetime).toBe(patched.body.createdAt);
    expect(items[1].datetime).toBe(patched.body.updatedAt);
    expect(new Set(items.map((item: SyncItem) => item.item_id)).size).toBe(1);
    expect((await api.get(items[2].item_url)).status).toBe(404);
  });

  it('is empty, with the time of the first token as its clock, for a library that was never written', async () => {
    const before = Date.now();
    const { api } = await newDeveloper();
    const { body } = await api.sync('since=1970-01-01');
    expect(body.items).toEqual([]);
    expect(Date.parse(body.meta.rwgps_datetime)).toBeGreaterThanOrEqual(before - 1);
    expect(Date.parse(body.meta.rwgps_datetime)).toBeLessThanOrEqual(Date.now() + 1);
    const again = await api.get(body.meta.next_sync_url);
    expect(again.body.meta.rwgps_datetime).toBe(body.meta.rwgps_datetime);
  });

  it('leaves out assets and limit of next_sync_url where they do not belong, and keeps assets as given', async () => {
    const { api } = await newDeveloper();
    const next = async (query: string) =>
      new URL((await api.sync(query)).body.meta.next_sync_url).searchParams;
    expect([...(await next('since=1970-01-01&limit=5')).keys()]).toEqual(['since']);
    expect([...(await next('since=1970-01-01&assets=trips,routes,trips')).keys()]).toEqual([
      'assets',
      'since',
    ]);
    expect((await next('since=1970-01-01&assets=trips,routes,trips')).get('assets')).toBe(
      'trips,routes,trips',
    );
  });
});

describe('since', () => {
  it('is exclusive: the datetime of an item does not bring it again', async () => {
    const { api, create } = await newDeveloper();
    await create();
    await create();
    const { items } = (await api.sync('since=1970-01-01')).body;
    const after = await api.sync({ since: items[0].datetime });
    expect(after.body.items).toEqual([items[1]]);
    const justBefore = new Date(Date.parse(items[0].datetime) - 1).toISOString();
    expect((await api.sync({ since: justBefore })).body.items).toEqual(items);
  });

  it('may lie ahead of the feed: no items, and the clock, so that the next poll misses nothing', async () => {
    const { api, create } = await newDeveloper();
    await create();
    const { items } = (await api.sync('since=1970-01-01')).body;
    for (const since of ['2999-01-01T00:00:00Z', '9999-12-31T23:59:59-23:59']) {
      const { status, body } = await api.sync({ since });
      expect(status).toBe(200);
      expect(body.items).toEqual([]);
      expect(body.meta.rwgps_datetime).toBe(items[0].datetime.replace('Z', '+00:00'));
    }
  });

  it('works unescaped, as the document writes it, and through a JavaScript Date', async () => {
    const { api, create } = await newDeveloper();
    await create();
    const first = await api.sync('since=1970-01-01');
    await create();
    const stored = first.body.meta.rwgps_datetime;
    const expected = (await api.get(first.body.meta.next_sync_url)).body.items;
    expect(expected).toHaveLength(1);
    expect((await api.get(`${SYNC}?since=${stored}`)).body.items).toEqual(expected);
    const iso = new Date(stored).toISOString();
    const basic = iso.replace(/[-:]/g, '');
    for (const since of [
      iso,
      basic,
      basic.replace('Z', '+0000'),
      iso.replace('T', '%20').replace('Z', '+00'),
    ])
      expect((await api.get(`${SYNC}?since=${since}`)).body.items).toEqual(expected);
  });

  it.each([
    ['', 422, { error: 'Missing required parameter: since', code: 'missing_parameter' }],
    ['since=', 422, { error: 'Missing required parameter: since', code: 'missing_parameter' }],
    ...[
      'since=2024-02-30',
      'since=now',
      'since=2016-12-31T23:59:60Z',
      'since=2024-01-01&since=2024-01-01',
    ].map((query): [string, number, unknown] => [
      query,
      400,
      {
        error: 'Invalid since parameter format',
        details: 'Expected ISO8601 datetime format (e.g., 2024-09-01T00:00:00Z)',
        code: 'invalid_since',
      },
    ]),
  ])('?%s answers %i with the body of the document', async (query, status, body) => {
    const { api } = await newDeveloper();
    expect(await api.get(`${SYNC}?${query}`)).toMatchObject({ status, body });
  });
});

describe('assets', () => {
  it('filters by type, in any order and case, repeated or unknown; the cursor is the same for all', async () => {
    const { api, create } = await newDeveloper();
    for (const type of ['ROUTE', 'TRIP', 'FEATURE_FLAG_STATE', 'route', 'Policy']) await create(type);
    const types = async (assets: string) => {
      const { body } = await api.sync({ since: '1970-01-01', assets });
      return body.items.map((item: SyncItem) => item.item_type);
    };
    expect(await types('routes')).toEqual(['route', 'route']);
    expect(await types('trips,routes')).toEqual(['route', 'trip', 'route']);
    expect(await types('trips,trips,TRIPS')).toEqual(['trip']);
    expect(await types('feature_flag_states,policies')).toEqual(['feature_flag_state', 'policy']);
    expect(await types('trip')).toEqual(['trip']);
    expect(await types('Policy,ROUTE')).toEqual(['route', 'route', 'policy']);
    expect(await types('unknown_things')).toEqual([]);
    await create('UNKNOWN_THING');
    expect(await types('unknown_things')).toEqual(['unknown_thing']);
    const cursor = async (query: string) => (await api.sync(query)).body.meta.rwgps_datetime;
    expect(await cursor('since=1970-01-01&assets=trips')).toBe(await cursor('since=1970-01-01'));
  });

  it.each([
    '',
    ',',
    'routes,',
    'routes,,trips',
    'rou tes',
    'routes;trips',
    '1',
    'routes&assets=trips',
    'ro%00utes',
    'users',
    'routes,sync',
    `r${'o'.repeat(80)}`,
  ])('refuses "%s"', async (assets) => {
    const { api } = await newDeveloper();
    const { status, body } = await api.get(`${SYNC}?since=1970-01-01&assets=${assets}`);
    expect(status).toBe(400);
    expect(body).toMatchObject({
      code: 'invalid_request',
      details: expect.stringMatching(/^assets must be .*such as routes or trip/),
    });
  });
});

describe('limit', () => {
  it('cuts pages whose cursor is their last item, and says whether there is more', async () => {
    const { api, create } = await newDeveloper();
    for (let i = 0; i < 5; i++) await create(i % 2 ? 'TRIP' : 'ROUTE');
    const all = (await api.sync('since=1970-01-01')).body;
    const first = (await api.sync('since=1970-01-01&limit=2')).body;
    expect(first.items).toEqual(all.items.slice(0, 2));
    expect(first.meta).toMatchObject({
      has_more: true,
      item_count: 2,
      rwgps_datetime: first.items[1].datetime.replace('Z', '+00:00'),
      date_range: { until: first.meta.rwgps_datetime },
    });
    const exact = (await api.sync('since=1970-01-01&limit=5')).body;
    expect(exact).toEqual({ ...all, meta: { ...all.meta, has_more: false } });
    const filtered = (await api.sync('since=1970-01-01&limit=2&assets=trips')).body;
    expect(filtered.items.map((item: SyncItem) => item.item_type)).toEqual(['trip', 'trip']);
    expect(filtered.meta).toMatchObject({ has_more: false, rwgps_datetime: all.meta.rwgps_datetime });
  });

  it.each(['0', '-1', '10001', '1.0', '1e2', 'all', '', '1&limit=2'])('refuses %s', async (limit) => {
    const { api } = await newDeveloper();
    const { status, body } = await api.get(`${SYNC}?since=1970-01-01&limit=${limit}`);
    expect(status).toBe(400);
    expect(body.details).toContain('limit');
  });

  it('refuses unknown parameters by name', async () => {
    const { api } = await newDeveloper();
    const { status, body } = await api.sync('since=1970-01-01&colour=red');
    expect(status).toBe(400);
    expect(body.details).toContain('colour');
  });
});

describe('whose feed', () => {
  it('is named by an admin, and carried on by next_sync_url', async () => {
    const { api, id, create } = await newDeveloper();
    await create();
    const { body } = await app.admin.sync({ since: '1970-01-01', developerId: id });
    expect(body.items).toEqual((await api.sync('since=1970-01-01')).body.items);
    expect(new URL(body.meta.next_sync_url).searchParams.get('developerId')).toBe(id);
    expect((await api.sync({ since: '1970-01-01', developerId: id })).body.items).toEqual(body.items);
  });

  it('is 422 without a name, 404 for nobody, 403 for somebody else', async () => {
    const [a, b] = [await newDeveloper(), await newDeveloper()];
    expect(await app.admin.sync('since=1970-01-01')).toMatchObject({
      status: 422,
      body: { error: 'Missing required parameter: developerId' },
    });
    expect((await app.admin.sync('since=1970-01-01&developerId=nobody')).status).toBe(404);
    expect((await a.api.sync({ since: '1970-01-01', developerId: b.id })).status).toBe(403);
    expect((await a.api.sync({ since: '1970-01-01', developerId: 'nobody' })).status).toBe(403);
  });
});

describe('polling', () => {
  it('answers 304 to the ETag of the last answer until something happens', async () => {
    const { api, create } = await newDeveloper();
    await create();
    const query = `${SYNC}?since=1970-01-01`;
    const first = await api.get(query);
    const etag = first.headers.get('etag')!;
    const idle = await api.get(query, { 'if-none-match': etag });
    expect(idle).toMatchObject({ status: 304, body: '' });
    expect(idle.headers.get('etag')).toBe(etag);
    expect(idle.headers.get('cache-control')).toBe('private, no-cache');
    await create();
    const busy = await api.get(query, { 'if-none-match': `"other", ${etag}` });
    expect(busy.status).toBe(200);
    expect(busy.headers.get('etag')).not.toBe(etag);
  });

  it('gives two developers different ETags, so that a shared cache cannot mix them up', async () => {
    const [a, b] = [await newDeveloper(), await newDeveloper()];
    const etags = await Promise.all(
      [a, b].map(async ({ api }) => (await api.sync('since=1970-01-01')).headers.get('etag')),
    );
    expect(etags[0]).not.toBe(etags[1]);
  });

  it('costs one query when idle, and none of the history is read', async () => {
    const { api, id, create } = await newDeveloper();
    await create();
    await withoutGuard(
      app.dataSource,
      `INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
       SELECT d.user_id, '2001-01-01'::timestamptz + n * interval '1 ms', 'updated', 'route', 'routes', 1, d.user_id
       FROM developers d, generate_series(1, 20000) n WHERE d.developer_id = $1`,
      [id],
    );
    await app.dataSource.query('ANALYZE change_events');
    const { meta } = (await api.sync('since=2020-01-01')).body;
    const queries = await recordQueries(async () => {
      expect((await api.get(meta.next_sync_url)).body.items).toEqual([]);
    });
    expect(queries).toHaveLength(1);
    const [{ 'QUERY PLAN': plan }] = await app.dataSource.query<
      { 'QUERY PLAN': { Plan: Record<string, number> }[] }[]
    >(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${queries[0].text}`, queries[0].values);
    // In pages of 8 kB; the history has more than 200.
    expect(plan[0].Plan['Shared Hit Blocks'] + plan[0].Plan['Shared Read Blocks']).toBeLessThan(20);
  });
});

describe('a follower of next_sync_url', () => {
  it('ends exact whatever is written and however it pages', async () => {
    const command = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ type: 'create' as const }) },
      {
        weight: 4,
        arbitrary: fc.record({ type: fc.constant('patch' as const), at: fc.nat(), value: fc.nat(3) }),
      },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), at: fc.nat() }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('poll' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { maxLength: 30 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        async (commands, limits) => {
          const { api, id, create } = await newDeveloper();
          const paging = new SyncClient(api, undefined, () => limits.next().value as number);
          const live: string[] = [];
          for (const step of commands) {
            if (step.type === 'poll') await paging.poll();
            else if (step.type === 'create') live.push((await create()).id);
            else if (live.length === 0) continue;
            else if (step.type === 'patch')
              await api.patch(`${RECORDS}/${live[step.at % live.length]}`, { data: { v: step.value } });
            else await api.delete(`${RECORDS}/${live.splice(step.at % live.length, 1)[0]}`);
          }
          await paging.catchUp();
          await expectExactCopy(paging, api, id);
          const fresh = await new SyncClient(api).catchUp();
          expect(fresh.received).toEqual(paging.received);
        },
      ),
      { seed: Number(process.env.TEST_SEED), numRuns: 25 },
    );
  });
});
