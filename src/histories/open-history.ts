/**
 * ms. Lost clocks are at most so far ahead of the time of the restore and of the clocks that survived: a feed
 * with more than 1,000 changes per second runs ahead of the wall clock, and clocks of two machines differ.
 */
const MAX_LEAD = 60_000;

/**
 * ms. The first lost tick is at most so much earlier than the last one that survived: a transaction takes its
 * tick up to 30 s before it commits, and the wall clock may have stepped back by an hour. A larger value only
 * refuses datetimes that a person has chosen; a smaller one may miss a cursor of the lost time.
 */
const MAX_STEP_BACK = 3_660_000;

/** Ids of the lost time are not handed out again: so many per history. `integer` allows 2,147 histories. */
const MAX_LOST_DEVELOPERS = 1_000_000;
const MAX_LOST_ITEMS = 10_000_000_000;

/**
 * SQL: the identity of the database that answers. An ordinary role may read all of it, on PGlite, too.
 *
 * The timeline is that of the next WAL record. `pg_control_checkpoint()` shows the old one until the first
 * checkpoint after a promotion, when the database accepts writes already.
 */
const IDENTITY = `
  SELECT system_identifier::text AS system_identifier,
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline,
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database_oid,
    'developers'::regclass::oid::bigint AS table_oid
  FROM pg_control_system()`;

/** SQL: whether no history of the database has its identity, or the last one has another. */
const IS_UNKNOWN = `
  NOT EXISTS (
    SELECT FROM (SELECT * FROM histories ORDER BY begins_at DESC LIMIT 1) h
    WHERE (h.system_identifier, h.timeline, h.database_oid, h.table_oid) =
      (i.system_identifier, i.timeline, i.database_oid, i.table_oid)
  )`;

/** What a process compares with its memory, in one query for each new connection. */
export interface DatabaseState {
  /** In recovery: nothing can be written, and a promotion would go unnoticed on an open connection. */
  isStandby: boolean;
  isUnknown: boolean | null;
  startedAt: Date;
  /** Bytes of WAL that are on disk: a durable database never has fewer than before. */
  walBytes: string | null;
  histories: { beginsAt: string; lostFrom: string }[];
}

/** SQL: a `DatabaseState`. */
export const READ_STATE = `
  SELECT pg_is_in_recovery() AS "isStandby",
    CASE WHEN NOT pg_is_in_recovery() THEN (SELECT ${IS_UNKNOWN} FROM (${IDENTITY}) i) END AS "isUnknown",
    pg_postmaster_start_time() AS "startedAt",
    CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_flush_lsn() - '0/0')::text END AS "walBytes",
    coalesce((
      SELECT json_agg(json_build_object('beginsAt', begins_at, 'lostFrom', lost_from) ORDER BY begins_at)
      FROM histories
    ), '[]') AS histories`;

/** Every write locks its feed first. EXCLUSIVE waits for the writes that run, and lets readers pass. */
const LOCK = `LOCK TABLE feeds IN EXCLUSIVE MODE`;

/**
 * SQL: opens a history. The first one loses nothing.
 *
 * @param condition for `i`, the identity of the database
 * @param earliest expression: nothing was lost before, if no clock has survived
 */
const insertHistory = (condition: string, earliest: string) => `
  WITH survived AS (
    SELECT max(clock) AS clock, (SELECT max(begins_at) FROM histories) AS begins_at FROM feeds
  )
  INSERT INTO histories (begins_at, lost_from, system_identifier, timeline, database_oid, table_oid)
  SELECT
    CASE WHEN s.begins_at IS NULL THEN 'epoch' ELSE
      greatest(date_trunc('milliseconds', clock_timestamp()), s.clock, s.begins_at)
        + interval '${MAX_LEAD} ms'
    END,
    greatest('epoch', coalesce(s.clock, ${earliest}) - interval '${MAX_STEP_BACK} ms'),
    i.*
  FROM (${IDENTITY}) i, survived s
  WHERE ${condition}
  RETURNING begins_at > 'epoch' AS "isRestored"`;

/** SQL: opens a history unless another process has. One row if it did. */
export const OPEN_HISTORY = [LOCK, insertHistory(IS_UNKNOWN, '(SELECT min(opened_at) FROM histories)')];

/**
 * SQL: opens a history that the identity does not show. An empty database knows nothing of the one before.
 *
 * @param known start of the last history that the caller knows, in ms since 1970: of several processes that
 * notice the same, one opens a history
 */
export const declareHistory = (known: number) => [
  LOCK,
  insertHistory(`s.begins_at = to_timestamp(${known / 1_000})`, "'epoch'"),
];

/**
 * SQL: the present history goes on in the database that answers, to which all of it was copied. Nothing was
 * lost, so no cursor is refused. One row.
 */
export const CONTINUE_HISTORY = `
  UPDATE histories SET (system_identifier, timeline, database_oid, table_oid) = (SELECT * FROM (${IDENTITY}) i)
  WHERE begins_at = (SELECT max(begins_at) FROM histories)
  RETURNING begins_at`;

/** SQL. Sequences are not transactional: a rollback skips more ids, and never fewer. */
export const SKIP_LOST_IDS = [
  `SELECT setval(pg_get_serial_sequence('developers', 'user_id'),
    nextval(pg_get_serial_sequence('developers', 'user_id')) + ${MAX_LOST_DEVELOPERS})`,
  `SELECT setval('item_ids', nextval('item_ids') + ${MAX_LOST_ITEMS})`,
];
