/** SQL: when the present history began. */
const BEGINNING = '(SELECT max(begins_at) FROM histories)';

/** SQL: a new UUID version 7, as all ids of deliveries: their order is that of time. */
const UUID_V7 = `(
  lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7' ||
  substr(replace(gen_random_uuid()::text, '-', ''), 14)
)::uuid`;

/**
 * SQL: after a restore of the database, each position gets a delivery without notifications, up to the
 * beginning of the present history. The receiver may have a cursor of the lost time: its next sync is a 410.
 * Without this delivery it would sync only after the next change, if there ever is one.
 *
 * Idempotent: a position that has got it, or any later change, is past the beginning. A pending delivery is
 * withdrawn; its range is part of the new one. The receiver may already know its id, from the lost time.
 *
 * Lock order: positions before deliveries, as in a deletion.
 */
export const ANNOUNCE_HISTORY = `
  WITH behind AS MATERIALIZED (
    SELECT p.user_id, p.id, p.endpoint_id, p.announced, p.delivery_id, ${UUID_V7} AS new_delivery_id,
      coalesce(e.assets, c.default_assets) AS assets
    FROM webhook_positions p
    JOIN webhook_endpoints e ON e.id = p.endpoint_id
    JOIN api_clients c ON c.id = e.client_id
    WHERE p.ends_at IS NULL AND p.scanned < ${BEGINNING} AND ${BEGINNING} > 'epoch'
      AND NOT EXISTS (SELECT FROM webhook_deliveries w WHERE w.id = p.delivery_id AND w.until >= ${BEGINNING})
    FOR UPDATE OF p SKIP LOCKED
  ),
  withdrawn AS (
    UPDATE webhook_deliveries SET status = 'withdrawn', completed_at = clock_timestamp()
    WHERE id IN (SELECT delivery_id FROM behind) AND status = 'pending'
  ),
  begun AS (
    INSERT INTO webhook_deliveries
      (id, endpoint_id, user_id, kind, since, until, assets, notifications, status, created_at)
    SELECT new_delivery_id, endpoint_id, user_id, 'change', announced, ${BEGINNING}, assets, 0, 'pending',
      clock_timestamp()
    FROM behind
  )
  UPDATE webhook_positions p
  SET delivery_id = b.new_delivery_id, lease = NULL, attempts = 0, due_at = clock_timestamp()
  FROM behind b
  WHERE p.user_id = b.user_id AND p.id = b.id`;
