/*
 * The tables with data of a developer. The order is that of foreign keys and of lock order: positions before
 * deliveries, as everywhere. test/erasure.e2e-spec.ts looks through every table of the database for the rest.
 */

/** SQL: frees the `developerId`, and keeps every process that remembers it out. $1 user id, $2 new name */
export const RENAME_DEVELOPER =
  'UPDATE developers SET developer_id = $2, name = NULL, updated_at = NULL WHERE user_id = $1';

/** SQL: the same for the feed. Its cursors get 410 from a later feed of the same name. */
export const RENAME_FEED = `
  WITH erased AS (UPDATE feeds SET developer_id = $2 WHERE user_id = $1 RETURNING born, clock)
  INSERT INTO erased_feeds (born, clock) SELECT born, clock FROM erased ON CONFLICT DO NOTHING`;

/** $1 user id */
export const FIND_CLIENTS = 'SELECT id FROM api_clients WHERE user_id = $1 ORDER BY id LIMIT 20';

/** SQL: ends keys and grants, and with these their codes and tokens. $1 user id */
export const END_KEYS = 'DELETE FROM api_keys WHERE user_id = $1 RETURNING hash';
export const END_GRANTS = 'DELETE FROM grants WHERE user_id = $1 RETURNING id';

/** SQL: ends what is left of a login. */
export const END_PASSWORD = 'DELETE FROM passwords WHERE user_id = $1';
export const END_LOGIN_ORIGINS = 'DELETE FROM login_origins WHERE user_id = $1';
export const END_INVITES = 'DELETE FROM invites WHERE user_id = $1';
/** $1 developer id */
export const END_LOGINS = 'DELETE FROM oauth_states WHERE account_id = $1';

/** SQL: records whose removal followers must learn of. $1 user id, $2 maximum */
export const FIND_SHARED = `
  SELECT DISTINCT item_id::float8 AS "itemId" FROM shares WHERE user_id = $1 ORDER BY 1 LIMIT $2`;

const slice = (table: string, key: string, column = 'user_id') => `
  DELETE FROM ${table} WHERE ${column} = $1 AND ${key} = ANY (ARRAY(
    SELECT ${key} FROM ${table} WHERE ${column} = $1 ORDER BY ${key} LIMIT $2
  ))`;

/** SQL: deletes rows of the library and its history. $1 user id, $2 maximum */
export const SLICES = [
  slice('webhook_positions', 'id'),
  slice('webhook_deliveries', 'id'),
  slice('records', 'item_id'),
  slice('pins', 'item_id'),
  slice('change_events', 'datetime'),
  slice('shares', 'ctid', 'reader_user_id'),
];

/** SQL, in this order: the end. A wake-up of a feed that is gone would never be settled. $1 user id */
export const LAST_ROWS = [
  'DELETE FROM webhook_wake_ups WHERE user_id = $1',
  'DELETE FROM library_sizes WHERE user_id = $1',
  'DELETE FROM feeds WHERE user_id = $1',
  'DELETE FROM developers WHERE user_id = $1',
];
