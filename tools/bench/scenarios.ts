import { Random } from '../random.js';
import type { Request } from './load.js';
import { type Developer, headersOf, sinceOf } from './library.js';

/** Of the scenarios: the first ones of the database. */
export const DEVELOPERS = 100;

/** Of each developer's library in the scenarios. */
export const ITEMS = 200;

export interface Scenario {
  name: string;
  /** The least ratio of our throughput to that of the floor that we want. */
  target?: number;
  requests: Request[];
  /** Must hold for an answer of either server; what differs between them on purpose is left out of `comparable`. */
  status: number;
  /** What has to be the same in the answers of both. Undefined: requests that write. */
  comparable?: (body: never) => unknown;
  /** See `Load`. */
  follow?: string;
  /** A script of pgbench that sends the same statements. */
  pgbench?: string;
}

const DATA = {
  name: 'Coast loop',
  distance_km: 42.5,
  points: [1, 2, 3, 4, 5, 6, 7, 8],
  notes: 'lorem ipsum '.repeat(12),
};

const FEED = '/api/v1/sync.json';

/** In the order of `ids` of records, in `library.ts`. */
const idOf = (itemId: number) => `01900000-0000-7000-8000-${itemId.toString(16).padStart(12, '0')}`;

const TICK = `
  WITH tick AS (
    UPDATE feeds
    SET clock = greatest(date_trunc('milliseconds', clock_timestamp()), clock + interval '1 millisecond')
    WHERE user_id = :owner RETURNING user_id, clock
  )`;

/**
 * @param developers with `ITEMS` records each, the first of all developers and items of the database
 * @param crowd for the mixed scenario
 * @param firstOfCrowd item id of the first record of the crowd
 */
export function scenariosOf(developers: Developer[], crowd: Developer[], firstOfCrowd: number): Scenario[] {
  const ofEach = (request: (developer: Developer, i: number) => Request) => developers.map(request);
  const records = developers.flatMap((developer, d) =>
    Array.from({ length: ITEMS }, (_, k) => ({ developer, id: idOf(d * ITEMS + k + 1) })),
  );
  const read = (developer: Developer, path: string, headers = {}): Request => ({
    method: 'GET',
    path,
    headers: { ...headersOf(developer), ...headers },
  });
  const create = (developer: Developer): Request => ({
    method: 'POST',
    path: '/api/v1/sync/records',
    headers: headersOf(developer),
    body: {
      developerId: developer.developerId,
      resourceType: 'ROUTE',
      resourceKey: '@UNIQUE_KEY@',
      data: DATA,
    },
  });
  const patch = (developer: Developer, id: string): Request => ({
    method: 'PATCH',
    path: `/api/v1/sync/records/${id}`,
    headers: headersOf(developer),
    body: { data: { ...DATA, version: '@UNIQUE_KEY@' } },
  });
  const random = new Random('bench');
  const range = `\\set owner random(${developers[0].id}, ${developers.at(-1)!.id})\n`;
  return [
    // Reads first: they find the libraries as they were generated.
    {
      name: 'get by id',
      target: 0.8,
      requests: random.shuffled(
        records.map(({ developer, id }) => read(developer, `/api/v1/sync/records/${id}`)),
      ),
      status: 200,
      comparable: (body) => body,
      pgbench: `\\set item random(1, ${records.length})
        SELECT * FROM records WHERE id = ('01900000-0000-7000-8000-' || lpad(to_hex(:item::int), 12, '0'))::uuid;`,
    },
    {
      name: 'list of 50',
      target: 0.75,
      requests: ofEach((developer) => read(developer, '/api/v1/sync/records?limit=50')),
      status: 200,
      comparable: (body) => body,
    },
    {
      name: 'idle poll',
      target: 2,
      requests: ofEach((developer) => read(developer, `${FEED}?since=${sinceOf(ITEMS)}`)),
      status: 200,
      comparable: ({ items }: { items: unknown }) => items,
      pgbench: `${range}SELECT user_id, clock FROM feeds WHERE user_id = :owner;`,
    },
    {
      name: 'idle poll, 304',
      target: 2,
      requests: ofEach((developer) =>
        read(developer, `${FEED}?since=${sinceOf(ITEMS)}`, {
          'If-None-Match': `"${developer.id.toString(36)}-${developer.clock.getTime().toString(36)}"`,
        }),
      ),
      status: 304,
      comparable: (body) => body,
    },
    {
      name: 'feed page of 50',
      target: 1,
      requests: ofEach((developer, i) => read(developer, `${FEED}?limit=50&since=${sinceOf(i)}`)),
      status: 200,
      comparable: ({ items, meta }: { items: unknown; meta: { rwgps_datetime: string } }) => [
        items,
        meta.rwgps_datetime,
      ],
    },
    {
      name: 'create',
      target: 0.6,
      requests: ofEach((developer) => create(developer)),
      status: 201,
      pgbench: `${range}BEGIN;${TICK}
        INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
        SELECT user_id, clock, 'created', 'route', 'routes', nextval('item_ids'), user_id FROM tick RETURNING datetime, item_id \\gset
        INSERT INTO records VALUES (:owner, :item_id, gen_random_uuid(), 'dev-' || :owner, 'ROUTE', 'key-' || :item_id,
          '${JSON.stringify(DATA).replaceAll('":', '": ')}', '{}', 'ACTIVE', :datetime, :datetime, :datetime);
        COMMIT;`,
    },
    {
      name: 'patch',
      target: 0.6,
      requests: random.shuffled(records.map(({ developer, id }) => patch(developer, id))),
      status: 200,
    },
    {
      name: 'mixed 90/10',
      requests: random.shuffled(
        crowd.flatMap((developer, i) => [
          ...Array.from({ length: 9 }, () =>
            read(developer, `${FEED}?since=@SINCE@`, { 'x-request-id': String(i) }),
          ),
          patch(developer, idOf(firstOfCrowd + i)),
        ]),
      ),
      status: 200,
      follow: sinceOf(1),
    },
  ];
}
