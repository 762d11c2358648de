import { iso } from '../database/iso.js';
import { feedOf } from '../feed-clock/feed-clock.js';
import { IS_END, IS_OF_PIN } from './change-event.entity.js';

/** An item as the answer shows it, in the order of `SyncItemBody`. No value needs escaping: types are plain words. */
const ITEM = `
  '{"item_type":"' || item_type || '","item_id":' || item_id || ',"item_user_id":' || item_user_id
    || ',"item_url":"' || $6 || '/api/v1/' || asset || '/' || item_id || '.json","action":"' || action
    || '","datetime":"' || ${iso('datetime')}
    || '","collection":' || CASE WHEN action NOT IN ('added', 'removed') THEN 'null' ELSE
      '{"id":' || f.user_id || ',"type":"pinned","name":"pinned","url":"' || $6 || '/api/v1/collections/'
      || f.user_id || '.json"}' END || '}'`;

/** What `chunkOf` needs of a change: the indexes have it all, so that no page reads the table. */
const COLUMNS = 'user_id, datetime, action, item_type, asset, item_id, item_user_id, collection_id';

/** The changes that a request is about, and that the chunks before have not read. */
const IN_RANGE = `
  user_id = f.user_id AND datetime > $2 AND datetime <= $5 AND ($3::text[] IS NULL OR asset = ANY ($3))
  ORDER BY datetime
  LIMIT $4::int + 1`;

/**
 * One chunk of an answer, as of a clock that has been read before. Changes up to it never change and never grow in
 * number, so an answer can be read by many queries, without a transaction held open for the time that a slow client
 * takes. `clock` is the clock now, for a reader who has to know whether this database has reached `$5` at all.
 *
 * PostgreSQL writes the JSON: a row for each item, parsed here only to be written again, costs several times as much.
 *
 * $1 feed, $2 since (exclusive), $3 assets or null for all, $4 at most so many items, $5 until (inclusive), $6 PUBLIC_URL
 * as the inside of a JSON string
 *
 * @param changes the query of the changes in range; they have COLUMNS, `n` and `is_told`
 */
const chunkOf = (changes: string) => `
  SELECT
    f.clock,
    (count(*) FILTER (WHERE n <= $4 AND is_told))::int AS count,
    max(datetime) FILTER (WHERE n <= $4) AS last,
    string_agg(${ITEM}, ',' ORDER BY n) FILTER (WHERE n <= $4 AND is_told) AS items,
    coalesce(bool_or(n > $4), false) AS "hasMore"
  FROM (${feedOf('$1')}) f
  LEFT JOIN LATERAL (${changes}) e ON true
  GROUP BY f.user_id, f.clock`;

/** Every change. */
export const READ_CHANGES = chunkOf(`
  SELECT ${COLUMNS}, row_number() OVER (ORDER BY datetime) AS n, true AS is_told
  FROM change_events
  WHERE ${IN_RANGE}`);

/**
 * The latest change of each item and pin: what is alive, what has ended, and, while a long answer is written, what was
 * alive at its clock and has been superseded since. None of the three reads what was superseded before, and
 * where nothing is older than `since`, nobody has to hear of an end: an initial sync costs what the library costs.
 *
 * What the client has at `since` decides how it is told of a change: an item that it does not have was `created`, and
 * it need not know that one has ended. (Both are asked as values: EXISTS may become one hash of everybody's history.)
 *
 * PostgreSQL may plan it without the values, as if every range were a part of the history. OFFSET 0, which keeps a
 * subquery as it is, and ORDER BY leave it no other way than the right one: without them it read all of the history
 * for each chunk.
 *
 * $7 since of the request
 */
export const READ_LATEST_CHANGES = chunkOf(`
  SELECT n, e.user_id, datetime, item_type, asset, item_id, item_user_id,
    CASE WHEN action <> 'updated' OR is_known THEN action WHEN ${IS_OF_PIN} THEN 'added' ELSE 'created' END AS action,
    is_known OR NOT (${IS_END}) AS is_told
  FROM (
    SELECT coalesce((
      SELECT true FROM change_events WHERE user_id = f.user_id AND datetime <= $7 ORDER BY datetime LIMIT 1
    ), false) AS has_past
    OFFSET 0
  ) p
  CROSS JOIN LATERAL (
    SELECT *, row_number() OVER (ORDER BY datetime) AS n
    FROM (
      (SELECT ${COLUMNS} FROM change_events WHERE superseded_at = 'infinity' AND NOT (${IS_END}) AND ${IN_RANGE})
      UNION ALL
      (SELECT ${COLUMNS} FROM change_events WHERE has_past AND superseded_at > $5 AND ${IS_END} AND ${IN_RANGE})
      UNION ALL
      (
        SELECT e.*
        FROM (
          SELECT * FROM change_events WHERE f.clock > $5 AND user_id = f.user_id AND datetime > $5
          ORDER BY datetime
          OFFSET 0
        ) later
        CROSS JOIN LATERAL (
          SELECT ${COLUMNS} FROM change_events
          WHERE user_id = f.user_id AND item_id = later.item_id AND superseded_at = later.datetime AND NOT (${IS_END})
            AND datetime > $2 AND datetime <= $5 AND ($3::text[] IS NULL OR asset = ANY ($3))
          OFFSET 0
        ) e
      )
    ) latest
    ORDER BY datetime
    LIMIT $4::int + 1
  ) e
  CROSS JOIN LATERAL (
    SELECT CASE WHEN has_past THEN coalesce((
      SELECT true FROM change_events
      WHERE user_id = f.user_id AND item_id = e.item_id AND datetime <= $7 AND superseded_at > $7 AND NOT (${IS_END})
        AND ${IS_OF_PIN} = (e.collection_id IS NOT NULL OR e.user_id <> e.item_user_id)
      LIMIT 1
    ), false) ELSE false END AS is_known
  ) k`);
