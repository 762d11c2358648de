import { iso } from '../database/iso.js';

/**
 * SQL: a record as JSON text, in the order of `RecordBody`. PostgreSQL writes it, with `data` and `metadata`
 * as they are stored: with entities in between, a page of 50 costs the server four times as much.
 */
const RECORD_JSON = `
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

/** SQL: records by id. $1 ids */
export const READ_RECORDS = `
  SELECT r.id, r.user_id AS "userId", r.item_id::float8 AS "itemId", r.updated_at AS "updatedAt",
    ${RECORD_JSON} AS body
  FROM records r
  WHERE r.id = ANY ($1)`;

export interface StoredPage {
  /** Number of records on all pages. */
  total: number;
  /** JSON texts, separated by commas; null: none. */
  records: string | null;
}

/**
 * SQL: one page of records, in order of creation. $1 limit, $2 offset, from $3 the values of the filters
 *
 * @param filters columns
 */
export function readPage(filters: readonly string[]): string {
  const conditions = filters.map((column, i) => `${column} = $${i + 3}`);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  return `
    SELECT
      (SELECT count(*) FROM records ${where})::int AS total,
      string_agg(${RECORD_JSON}, ',' ORDER BY r.item_id) AS records
    FROM (SELECT * FROM records ${where} ORDER BY item_id LIMIT $1 OFFSET $2) r`;
}
