import type { Client } from 'pg';

/** Datetime of the first change of every generated library; each further change is one second later. */
const START = '2025-06-01T00:00:00Z';

export interface Developer {
  userId: number;
  developerId: string;
  /** The feed clock, which is the cursor of an up-to-date client. */
  clock: Date;
  key: string;
}

/** Request headers of this developer: the API key for Tidemark, the user id for the baseline. */
export const headersOf = ({ userId, key }: Developer) => ({
  Authorization: `Bearer ${key}`,
  'x-user-id': String(userId),
});

/** The datetime so many seconds after the first change of a generated library. */
export const datetimeAfter = (seconds: number) => new Date(Date.parse(START) + seconds * 1_000).toISOString();

/**
 * Inserts whole libraries with their history directly into the tables, in the state in which the server would
 * leave them: each developer has `items` records, created one after the other, then updated `updates` times
 * in that order.
 *
 * @param prefix of the `developerId` of each developer
 */
export async function generateLibraries(
  client: Client,
  prefix: string,
  { developers, items, updates }: { developers: number; items: number; updates: number },
): Promise<Developer[]> {
  await client.query(
    `WITH made AS (
       INSERT INTO developers (developer_id, created_at)
       SELECT $1 || '-' || i, $2::timestamptz FROM generate_series(1, $4::int) i
       RETURNING user_id, developer_id
     )
     INSERT INTO feeds (user_id, developer_id, born, clock)
     SELECT user_id, developer_id, $2, $2::timestamptz + $3 * interval '1 second' FROM made`,
    [prefix, START, items * (updates + 1), developers],
  );
  const { rows } = await client.query<Developer>(
    `SELECT user_id AS "userId", developer_id AS "developerId", clock,
       'tdm_' || lpad(user_id::text, 43, 'a') AS key
     FROM developers JOIN feeds USING (user_id, developer_id) WHERE developer_id LIKE $1 || '-%' ORDER BY user_id`,
    [prefix],
  );
  const userIds = rows.map(({ userId }) => userId);
  // The guard (docs/decisions/0015-guard.md) is off: here the records come first.
  await client.query('BEGIN');
  await client.query('SET LOCAL session_replication_role = replica');
  await client.query(
    `INSERT INTO api_keys (id, user_id, hash, prefix, scopes, created_at)
     SELECT gen_random_uuid(), id, sha256(('tdm_' || lpad(id::text, 43, 'a'))::bytea), 'tdm_aaaaaaaa',
       '{sync:read,sync:write}', $2 FROM unnest($1::int[]) id`,
    [userIds, START],
  );
  await client.query(
    `INSERT INTO records
     SELECT user_id, item_id, ('01900000-0000-7000-8000-' || lpad(to_hex(item_id), 12, '0'))::uuid,
       developer_id, 'ROUTE', 'route-' || n, data, '{"source":"import"}', 'ACTIVE', updated_at,
       $3::timestamptz + n * interval '1 second', updated_at, octet_length(data::text) + 19
     FROM (
       SELECT user_id, developer_id, n, nextval('item_ids') AS item_id,
         json_build_object(
           'name', 'Coast loop ' || n, 'distance_km', 42.5,
           'points', json_build_array(1, 2, 3, 4, 5, 6, 7, 8), 'notes', repeat('lorem ipsum ', 12)) AS data,
         $3::timestamptz + ($2 * $4::bigint + n) * interval '1 second' AS updated_at
       FROM generate_series(1, $2::bigint) n, (SELECT * FROM developers WHERE user_id = ANY ($1)) d
       ORDER BY user_id, n
     ) r`,
    [userIds, items, START, updates],
  );
  await client.query(
    `INSERT INTO library_sizes
     SELECT user_id, resource_type, status, count(*), sum(bytes) FROM records WHERE user_id = ANY ($1)
     GROUP BY user_id, resource_type, status`,
    [userIds],
  );
  await client.query(
    `INSERT INTO change_events
       (user_id, datetime, action, item_type, asset, item_id, item_user_id, superseded_at)
     SELECT user_id, created_at + u * $2 * interval '1 second',
       CASE u WHEN 0 THEN 'created' ELSE 'updated' END, 'route', 'routes', item_id, user_id,
       CASE WHEN u < $3 THEN created_at + (u + 1) * $2 * interval '1 second' ELSE 'infinity' END
     FROM generate_series(0, $3::int) u, records WHERE user_id = ANY ($1)
     ORDER BY u, created_at`,
    [userIds, items, updates],
  );
  await client.query('COMMIT');
  return rows;
}
