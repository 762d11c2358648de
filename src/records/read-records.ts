import { iso } from '../database/iso.js';

/**
 * A record as the API shows it, in the order of `RecordBody`. PostgreSQL writes the JSON, `data` and `metadata` as they
 * are stored: made into an entity first, a page of 50 costs the server four times as much.
 */
const BODY = `
  row_to_json((SELECT body FROM (SELECT
    r.id,
    r.developer_id AS "developerId",
    r.resource_type AS "resourceType",
    r.resource_key AS "resourceKey",
    r.data,
    ${iso('r.last_synced_at')} AS "lastSyncedAt",
    r.status,
    ${iso('r.created_at')} AS "createdAt",
    ${iso('r.updated_at')} AS "updatedAt",
    r.metadata
  ) body))::text`;

export interface StoredRecord {
  id: string;
  userId: number;
  itemId: number;
  updatedAt: Date;
  /** JSON text. */
  body: string;
}

/** $1 ids */
export const READ_RECORDS = `
  SELECT r.id, r.user_id AS "userId", r.item_id::float8 AS "itemId", r.updated_at AS "updatedAt", ${BODY} AS body
  FROM records r
  WHERE r.id = ANY ($1)`;

export interface StoredPage {
  /** Of all pages together. */
  total: number;
  /** JSON texts, separated by commas; null when there is none. */
  records: string | null;
}

/**
 * One page of records, in order of creation.
 *
 * $1 limit, $2 offset, and from $3 on the values of the filters
 *
 * @param filters columns that must have a value
 */
export function readPage(filters: readonly string[]): string {
  const conditions = filters.map((column, i) => `${column} = $${i + 3}`);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  return `
    SELECT
      (SELECT count(*) FROM records ${where})::int AS total,
      string_agg(${BODY}, ',' ORDER BY r.item_id) AS records
    FROM (SELECT * FROM records ${where} ORDER BY item_id LIMIT $1 OFFSET $2) r`;
}
