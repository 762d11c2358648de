import { clockOf, feedOf } from '../../../feed-clock/feed-clock.js';

/** Starts that one poll settles. Their feeds stay locked until its end: some ms. */
const MAX_STARTS = 1_000;

/**
 * SQL: turns the wake-up of a new position into an ordinary one, once its feed is unlocked.
 *
 * A change that was in flight when the position began has not seen it. It holds the lock of its feed until it
 * commits. If the feed can be locked here, that change is over, and all later ones see the position. SKIP
 * LOCKED: a feed that is locked keeps its row for the next poll, and the scheduler never waits for a writer.
 *
 * By ctid, since only the scheduler touches these rows: without statistics, a join of them may be a nested
 * loop (8 s for 10,000 rows).
 */
const SETTLE_STARTS = `
  UPDATE webhook_wake_ups SET is_start = false
  WHERE ctid = ANY (ARRAY(
    SELECT w.ctid
    FROM webhook_wake_ups w
    CROSS JOIN LATERAL (${feedOf('w.user_id')} FOR NO KEY UPDATE SKIP LOCKED) f
    WHERE w.is_start
    LIMIT ${MAX_STARTS}
  ))`;

/**
 * SQL: makes positions due that are behind their feed, and deletes the wake-ups that said so.
 *
 * Lost wake-up: a delivery that ends writes "not due" if it sees no later change. It locks its position
 * before it reads the clock. So a position is marked here under its lock, also if it is due or leased
 * already: the delivery either reads the clock after this, or is over. SKIP LOCKED: a position that is locked
 * keeps its wake-up for the next poll. The scheduler never waits for a delivery or a deletion, and cannot
 * deadlock.
 *
 * The time is cut to whole ms: rounded up, it would still lie ahead when the scheduler leases what is due.
 */
const DRAIN = `
  WITH behind AS MATERIALIZED (
    SELECT user_id, id
    FROM webhook_positions p
    WHERE user_id = ANY (ARRAY(SELECT user_id FROM webhook_wake_ups WHERE NOT is_start))
      AND ends_at IS NULL AND scanned < ${clockOf('p.user_id')}
  ),
  woken AS (
    UPDATE webhook_positions p
    SET due_at = coalesce(p.due_at, date_trunc('milliseconds', clock_timestamp()))
    FROM behind b
    CROSS JOIN LATERAL (
      SELECT user_id, id FROM webhook_positions WHERE user_id = b.user_id AND id = b.id FOR UPDATE SKIP LOCKED
    ) locked
    WHERE p.user_id = locked.user_id AND p.id = locked.id
    RETURNING p.id
  )
  DELETE FROM webhook_wake_ups
  WHERE NOT is_start
    AND user_id <> ALL (ARRAY(SELECT user_id FROM behind WHERE id NOT IN (SELECT id FROM woken)))`;

/** SQL, two statements. */
export const DRAIN_WAKE_UPS = `${SETTLE_STARTS}; ${DRAIN}`;
