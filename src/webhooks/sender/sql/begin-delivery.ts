/**
 * SQL, compare-and-set over two tables: writes a delivery and ties it to its position, if the lease holds.
 *
 * Lock order: the endpoint before its position, as in a deletion.
 *
 * $1 user id, $2 position, $3 lease, $4 delivery, $5 until, $6 assets, $7 notifications, $8 endpoint
 */
export const BEGIN_DELIVERY = `
  WITH endpoint AS MATERIALIZED (
    SELECT id FROM webhook_endpoints WHERE id = $8 FOR KEY SHARE
  ),
  position AS (
    UPDATE webhook_positions p SET delivery_id = $4
    FROM endpoint e
    WHERE user_id = $1 AND p.id = $2 AND lease = $3 AND delivery_id IS NULL AND endpoint_id = e.id
    RETURNING endpoint_id, announced, ends_at
  )
  INSERT INTO webhook_deliveries
    (id, endpoint_id, user_id, kind, since, until, assets, notifications, status, created_at)
  SELECT $4, endpoint_id, $1, CASE WHEN ends_at IS NULL THEN 'change' ELSE 'replay' END,
    announced, $5, $6, $7, 'pending', clock_timestamp()
  FROM position
  RETURNING id`;
