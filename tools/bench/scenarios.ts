import { Random } from '../random.js';
import type { Request } from './load.js';
import { type Developer, headersOf, datetimeAfter } from './library.js';

/** Developers of the scenarios: the first ones in the database. */
export const DEVELOPERS = 100;

/** Items of each of their libraries. */
export const ITEMS = 200;

export interface Scenario {
  name: string;
  /** Target: the least acceptable ratio of the throughput of Tidemark to that of the baseline. */
  target?: number;
  requests: Request[];
  /** Expected status of every response, of either server. */
  status: number;
  /** The part of a response body that must be equal for both servers. Undefined: requests that write. */
  comparable?: (body: never) => unknown;
  /** See `Load`. */
  firstCursor?: string;
  /** A pgbench script that sends the same SQL statements. */
  pgbench?: string;
}

const DATA = {
  name: 'Coast loop',
  distance_km: 42.5,
  points: [1, 2, 3, 4, 5, 6, 7, 8],
  notes: 'lorem ipsum '.repeat(12),
};

const FEED = '/api/v1/sync.json';

/** UUID of a record, as `generateLibraries` derives it from the item id. */
const idOf = (itemId: number) => `01900000-0000-7000-8000-${itemId.toString(16).padStart(12, '0')}`;

const TICK = `
  WITH tick AS (
    UPDATE feeds
    SET clock = greatest(
      date_trunc('milliseconds', clock_timestamp()), clock + interval '1 millisecond')
    WHERE user_id = :user_id RETURNING user_id, clock, set_config('tidemark.changes_feed', 'on', true)
  )`;

/**
 * @param developers the first developers of the database, with `ITEMS` records each
 * @param crowd developers of the mixed scenario, with one record each
 * @param firstItemOfCrowd item id of the first record of the crowd
 */
export function scenariosOf(
  developers: Developer[],
  crowd: Developer[],
  firstItemOfCrowd: number,
): Scenario[] {
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
  const range = `\\set user_id random(${developers[0].userId}, ${developers.at(-1)!.userId})\n`;
  return [
    // Reads first: they need the libraries as generated.
    {
      name: 'get by id',
      target: 0.8,
      requests: random.shuffled(
        records.map(({ developer, id }) => read(developer, `/api/v1/sync/records/${id}`)),
      ),
      status: 200,
      comparable: (body) => body,
      pgbench: `\\set item random(1, ${records.length})
        SELECT * FROM records
        WHERE id = ('01900000-0000-7000-8000-' || lpad(to_hex(:item::int), 12, '0'))::uuid;`,
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
      requests: ofEach((developer) => read(developer, `${FEED}?since=${datetimeAfter(ITEMS)}`)),
      status: 200,
      comparable: ({ items }: { items: unknown }) => items,
      pgbench: `${range}SELECT user_id, clock FROM feeds WHERE user_id = :user_id;`,
    },
    {
      name: 'idle poll, 304',
      target: 2,
      requests: ofEach((developer) =>
        read(developer, `${FEED}?since=${datetimeAfter(ITEMS)}`, {
          'If-None-Match': `"${developer.userId.toString(36)}-${developer.clock.getTime().toString(36)}"`,
        }),
      ),
      status: 304,
      comparable: (body) => body,
    },
    {
      name: 'feed page of 50',
      target: 1,
      requests: ofEach((developer, i) => read(developer, `${FEED}?limit=50&since=${datetimeAfter(i)}`)),
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
        SELECT user_id, clock, 'created', 'route', 'routes', nextval('item_ids'), user_id FROM tick
        RETURNING datetime, item_id \\gset
        INSERT INTO records VALUES (:user_id, :item_id, gen_random_uuid(), 'dev-' || :user_id, 'ROUTE',
          'key-' || :item_id, '${JSON.stringify(DATA).replaceAll('":', '": ')}',
          '{}', 'ACTIVE', :datetime, :datetime, :datetime, 100);
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
          patch(developer, idOf(firstItemOfCrowd + i)),
        ]),
      ),
      status: 200,
      firstCursor: datetimeAfter(1),
    },
  ];
}

const EXAMPLE: Developer = { userId: 1, developerId: '', clock: new Date(), key: '' };

export const SCENARIO_NAMES = scenariosOf([EXAMPLE], [EXAMPLE], 1).map(({ name }) => name);
