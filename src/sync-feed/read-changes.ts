import { feedOf } from '../feed-clock/feed-clock.js';
import { IS_PIN_CHANGE, IS_TOMBSTONE } from './change-event.entity.js';
import { itemJson } from './sync-item.js';

/** Columns of a change. The indexes cover them, so that no page reads the table. */
const COLUMNS = 'user_id, datetime, action, item_type, asset, item_id, item_user_id, collection_id';

/** Changes of the chunk, and one more to know whether there are more. */
const IN_RANGE = `
  user_id = f.user_id AND datetime > $2 AND datetime <= $5 AND ($3::text[] IS NULL OR asset = ANY ($3))
  ORDER BY datetime
  LIMIT $4::int + 1`;

/** Result of the queries below. */
export interface Chunk {
  /** Number of items: fewer than the changes that were read where `compact` leaves some out. */
  count: number;
  /** Datetime of the last change that was read; null: none. */
  last: Date | null;
  /** JSON texts of the items, separated by commas; null: none. */
  items: string | null;
  /** There are changes after these, up to $5. */
  hasMore: boolean;
}

/**
 * SQL: one chunk of an answer, as of a clock that was read before. Changes up to that clock never change and
 * no more are added, so many queries can read one answer, and no transaction stays open for a slow client.
 * The columns of the feed are its present ones: `clock` is earlier than $5 on a replica that lags, where the
 * chunk may be incomplete.
 *
 * $1 feed, $2 since (exclusive), $3 assets or null for all, $4 maximum number of items, $5 until (inclusive),
 * $6 PUBLIC_URL, escaped for a JSON string
 *
 * @param changes query: COLUMNS of the changes in range, `ordinal` from 1, `is_reported` (part of the answer)
 */
const chunkOf = (changes: string) => `
  SELECT
    f.*,
    (count(*) FILTER (WHERE ordinal <= $4 AND is_reported))::int AS count,
    max(datetime) FILTER (WHERE ordinal <= $4) AS last,
    string_agg(${itemJson('f.user_id', '$6')}, ',' ORDER BY ordinal)
      FILTER (WHERE ordinal <= $4 AND is_reported) AS items,
    coalesce(bool_or(ordinal > $4), false) AS "hasMore"
  FROM (${feedOf('$1')}) f
  LEFT JOIN LATERAL (${changes}) e ON true
  GROUP BY f.user_id, f.developer_id, f.born, f.clock, f.floor, f.erased_from, f.history`;

/** SQL: every change. */
export const READ_CHANGES = chunkOf(`
  SELECT ${COLUMNS}, row_number() OVER (ORDER BY datetime) AS ordinal, true AS is_reported
  FROM change_events
  WHERE ${IN_RANGE}`);

/**
 * SQL: the latest change of each item and pin, for `compact`. Three parts, each with an index of its own:
 *
 * - Items and pins that exist.
 * - Tombstones, if the feed has changes up to the `since` of the request. Otherwise the client has nothing
 *   to delete.
 * - Changes that were the latest ones at $5 but have been superseded since, while the answer is written.
 *
 * None reads what was superseded before, so an initial sync costs what the library costs, not its history.
 *
 * The action depends on whether the client has the item, that is, whether it existed at the `since` of the
 * request. An item that the client does not have is `created` (a pin: `added`), and its tombstone is not
 * reported. Both questions are scalar subqueries: PostgreSQL may plan EXISTS as one hash of every feed.
 *
 * Generic plan: without the values of the parameters, PostgreSQL expects each range to be a large part of the
 * history. OFFSET 0, which it does not flatten, and ORDER BY leave only the plan that uses the indexes.
 * Without them each chunk read all of the history.
 *
 * $7 since of the request; of a first sync, 1970 on every page
 */
export const READ_LATEST_CHANGES = chunkOf(`
  SELECT ordinal, e.user_id, datetime, item_type, asset, item_id, item_user_id,
    CASE
      WHEN action <> 'updated' OR client_has_it THEN action
      WHEN ${IS_PIN_CHANGE} THEN 'added'
      ELSE 'created'
    END AS action,
    client_has_it OR NOT (${IS_TOMBSTONE}) AS is_reported
  FROM (
    SELECT coalesce((
      SELECT true FROM change_events WHERE user_id = f.user_id AND datetime <= $7 ORDER BY datetime LIMIT 1
    ), false) AS has_earlier_changes
    OFFSET 0
  ) feed_at_since
  CROSS JOIN LATERAL (
    SELECT *, row_number() OVER (ORDER BY datetime) AS ordinal
    FROM (
      (
        SELECT ${COLUMNS} FROM change_events
        WHERE superseded_at = 'infinity' AND NOT (${IS_TOMBSTONE}) AND ${IN_RANGE}
      )
      UNION ALL
      (
        SELECT ${COLUMNS} FROM change_events
        WHERE has_earlier_changes AND superseded_at > $5 AND ${IS_TOMBSTONE} AND ${IN_RANGE}
      )
      UNION ALL
      (
        SELECT superseded_since.*
        FROM (
          SELECT * FROM change_events WHERE f.clock > $5 AND user_id = f.user_id AND datetime > $5
          ORDER BY datetime
          OFFSET 0
        ) later
        CROSS JOIN LATERAL (
          SELECT ${COLUMNS} FROM change_events
          WHERE user_id = f.user_id AND item_id = later.item_id AND superseded_at = later.datetime
            AND NOT (${IS_TOMBSTONE})
            AND datetime > $2 AND datetime <= $5 AND ($3::text[] IS NULL OR asset = ANY ($3))
          OFFSET 0
        ) superseded_since
      )
    ) latest
    ORDER BY datetime
    LIMIT $4::int + 1
  ) e
  CROSS JOIN LATERAL (
    SELECT CASE WHEN has_earlier_changes THEN coalesce((
      SELECT true FROM change_events
      WHERE user_id = f.user_id AND item_id = e.item_id AND datetime <= $7 AND superseded_at > $7
        AND NOT (${IS_TOMBSTONE})
        AND ${IS_PIN_CHANGE} = (e.collection_id IS NOT NULL OR e.user_id <> e.item_user_id)
      LIMIT 1
    ), false) ELSE false END AS client_has_it
  ) client`);

/**
 * SQL: the last tick of a feed up to a datetime: its birth, a change, or one that retention has pruned.
 *
 * $1 feed, $2 inclusive end
 */
export const READ_LAST_SURVIVOR = `
  SELECT greatest(
    CASE WHEN f.born <= $2 THEN f.born END,
    CASE WHEN f.floor <= $2 THEN f.floor END,
    (SELECT max(datetime) FROM change_events WHERE user_id = f.user_id AND datetime <= $2)
  ) AS survivor
  FROM (${feedOf('$1')}) f`;
