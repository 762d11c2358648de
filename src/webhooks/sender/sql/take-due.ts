/**
 * Requests to one endpoint at the same time, of all processes together. Each delivery is about another
 * developer; a test is one of them.
 */
const MAX_OF_ENDPOINT = 4;

/** SQL: how many requests an endpoint `e` takes at the same time. */
export const MAX_REQUESTS = `CASE WHEN e.failures > 0 THEN 1 ELSE ${MAX_OF_ENDPOINT} END`;

/** SQL: the deliveries to an endpoint `e` that are under way. */
export const DELIVERIES = `(
  SELECT count(*) FROM webhook_positions
  WHERE endpoint_id = e.id AND due_at > statement_timestamp() AND lease IS NOT NULL
)`;

/** SQL, a condition: a delivery to an endpoint `e` of a client `c` is due. */
export const IS_DUE = `
  e.active AND 'sync:read' = ANY (c.scopes) AND (e.retry_at IS NULL OR e.retry_at <= statement_timestamp())
  AND EXISTS (SELECT FROM webhook_positions WHERE endpoint_id = e.id AND due_at <= statement_timestamp())`;

/** Lease: this process may deliver at this position until the lease ends. */
export interface LeasedPosition {
  userId: number;
  id: string;
  lease: string;
}

/**
 * SQL: leases positions that are due. Per endpoint the longest overdue, 4 at a time, 1 if the endpoint fails;
 * endpoints that fail come last. A replay and the changes of the same developer take turns.
 *
 * In a transaction of one process at a time, so that the limits hold for all of them together.
 *
 * @param room at most so many
 * @param lease in ms
 */
export const takeDue = (room: number, lease: number) => `
  WITH ready AS (
    SELECT e.id, e.failures > 0 AS fails,
      ${MAX_REQUESTS} - ${DELIVERIES} - coalesce(e.tested_until > statement_timestamp(), false)::int AS room
    FROM webhook_endpoints e
    JOIN api_clients c ON c.id = e.client_id
    WHERE ${IS_DUE}
  ),
  chosen AS (
    SELECT p.user_id, p.id
    FROM ready r
    CROSS JOIN LATERAL (
      SELECT user_id, id, due_at
      FROM webhook_positions c
      WHERE endpoint_id = r.id AND due_at <= statement_timestamp() AND NOT EXISTS (
        SELECT FROM webhook_positions o
        WHERE o.user_id = c.user_id AND o.endpoint_id = c.endpoint_id AND o.id <> c.id AND CASE
          WHEN o.due_at > statement_timestamp() THEN o.lease IS NOT NULL
          ELSE (o.due_at, o.id) < (c.due_at, c.id)
        END
      )
      ORDER BY due_at
      LIMIT greatest(r.room, 0)
      FOR UPDATE SKIP LOCKED
    ) p
    ORDER BY r.fails, p.due_at
    LIMIT ${room}
  )
  UPDATE webhook_positions p
  SET lease = gen_random_uuid(), due_at = clock_timestamp() + interval '${lease} ms'
  FROM chosen c
  WHERE p.user_id = c.user_id AND p.id = c.id
  RETURNING p.user_id AS "userId", p.id, p.lease`;
