import { feedOf } from '../../../feed-clock/feed-clock.js';

/** A position beside that of the changes. It ends where the replay does. */
const REPLAY = `
  INSERT INTO webhook_positions
    (user_id, id, endpoint_id, announced, scanned, ends_at, due_at, delivery_id)`;

/**
 * SQL, compare-and-set over two tables: a delivery that is not pending becomes pending again, under its id.
 *
 * Lock order: the endpoint before its position, as in a deletion.
 *
 * $1 user id, $2 endpoint, $3 delivery
 */
export const REPLAY_DELIVERY = `
  WITH endpoint AS MATERIALIZED (
    SELECT id FROM webhook_endpoints WHERE id = $2 FOR KEY SHARE
  ),
  again AS (
    UPDATE webhook_deliveries d SET status = 'pending', completed_at = NULL
    FROM endpoint e
    WHERE d.id = $3 AND endpoint_id = e.id AND status <> 'pending'
    RETURNING since, until
  )
  ${REPLAY}
  SELECT $1, gen_random_uuid(), $2, since, since, until, clock_timestamp(), $3 FROM again`;

/** SQL. $1 user id, $2 endpoint, $3 since, $4 until or null for now */
export const REPLAY_RANGE = `
  ${REPLAY}
  SELECT user_id, gen_random_uuid(), $2, $3, $3, least($4, clock), clock_timestamp(), NULL
  FROM (${feedOf('$1')}) f
  WHERE $3 < least($4, clock)`;
