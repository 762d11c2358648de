import { feedOf } from '../../../feed-clock/feed-clock.js';

/**
 * SQL, compare-and-set: moves a position and releases its lease, if the lease holds. The position is due
 * again if its feed is ahead.
 *
 * Lost wake-up: the position must be locked before this statement begins and reads the clock.
 *
 * $1 user id, $2 position, $3 lease, $4 announced or null to keep it, $5 scanned, $6 assets
 */
export const ADVANCE = `
  UPDATE webhook_positions p
  SET announced = coalesce($4, announced), scanned = $5, scanned_assets = $6,
    delivery_id = NULL, attempts = 0, lease = NULL,
    due_at = CASE WHEN $5 < coalesce(ends_at, f.clock) THEN clock_timestamp() END
  FROM (${feedOf('$1')}) f
  WHERE p.user_id = $1 AND p.id = $2 AND p.lease = $3`;
