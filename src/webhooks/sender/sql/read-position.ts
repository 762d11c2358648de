import { feedOf } from '../../../feed-clock/feed-clock.js';
import { mayRead } from '../../may-read.js';

/** A leased position with its endpoint, its feed and its pending delivery, as of one snapshot. */
export interface PositionSnapshot {
  endpointId: string;
  url: string;
  secret: string;
  /** Null after its overlap. */
  previousSecret: string | null;
  failures: number;
  announced: Date;
  scanned: Date;
  scannedAssets: string[] | null;
  endsAt: Date | null;
  attempts: number;
  mayRead: boolean;
  clock: Date;
  /** Assets of the pending delivery or, if there is none, of the endpoint; null: all. */
  assets: string[] | null;
  /** The pending delivery and the end of its range; null: there is none. */
  deliveryId: string | null;
  until: Date | null;
}

/** $1 user id, $2 position, $3 lease */
export const READ_POSITION = `
  SELECT
    e.id AS "endpointId", e.url, e.secret,
    CASE WHEN e.previous_secret_expires_at > clock_timestamp() THEN e.previous_secret END AS "previousSecret",
    e.failures,
    p.announced, p.scanned, p.scanned_assets AS "scannedAssets", p.ends_at AS "endsAt", p.attempts,
    ${mayRead('e.client_id', 'p.user_id')} AS "mayRead",
    f.clock,
    CASE WHEN w.id IS NULL THEN coalesce(e.assets, c.default_assets) ELSE w.assets END AS assets,
    w.id AS "deliveryId", w.until
  FROM webhook_positions p
  JOIN webhook_endpoints e ON e.id = p.endpoint_id
  JOIN api_clients c ON c.id = e.client_id
  JOIN (${feedOf('$1')}) f ON f.user_id = p.user_id
  LEFT JOIN webhook_deliveries w ON w.id = p.delivery_id
  WHERE p.user_id = $1 AND p.id = $2 AND p.lease = $3 AND 'sync:read' = ANY (c.scopes)`;
