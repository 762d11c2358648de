import { escapeLiteral } from 'pg';
import { iso } from '../database/iso.js';
import { BATCH_BYTES, type PageEntry } from './large-page.js';
import { ITEM_COPIES, itemJson } from './item-json.js';
import type { Status } from './record.entity.js';

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

/** Bytes of `data` and `metadata` up to which a record is read together with others. */
const SMALL_RECORD = 64 * 1_024;

export interface StoredRecord {
  id: string;
  userId: number;
  itemId: number;
  updatedAt: Date;
  /** Of `data` and `metadata`. */
  bytes: number;
  /** JSON text; null: the record is large (READ_LARGE_RECORDS). */
  body: string | null;
}

const readRecords = (body: string) => `
  SELECT r.id, r.user_id AS "userId", r.item_id::float8 AS "itemId", r.updated_at AS "updatedAt", r.bytes,
    ${body} AS body
  FROM records r
  WHERE r.id = ANY ($1)`;

/** SQL: records by id, the bodies of small ones alone. $1 ids */
export const READ_RECORDS = readRecords(`CASE WHEN r.bytes <= ${SMALL_RECORD} THEN ${RECORD_JSON} END`);

/** SQL: records by id, whatever their size. $1 ids */
export const READ_LARGE_RECORDS = readRecords(RECORD_JSON);

/** SQL: the same as items. $1 ids, $2 asset */
export const READ_LARGE_ITEMS = readRecords(itemJson('r', '$2'));

export interface StoredPage {
  /** Number of records on all pages. */
  total: number;
  /** JSON texts, separated by commas; null: none, or too many bytes. */
  records: string | null;
  /** The records of a page of too many bytes; null: it is none. */
  entries: PageEntry[] | null;
}

/** Filters of a list; undefined: none. */
export interface PageFilter {
  userId?: number;
  /** Not empty. */
  resourceTypes?: readonly string[];
  status?: Status;
}

/**
 * SQL and parameters: one page of records, in order of creation.
 *
 * The rows of the page are found in an index alone, however far it is. `total` is kept (library-size.ts). The
 * status is a literal: an index has only the rows of the other statuses.
 *
 * @param asset of items; undefined: records
 */
export function readPage(
  { userId, resourceTypes, status }: PageFilter,
  limit: number,
  offset: number,
  asset?: string,
): [sql: string, parameters: unknown[]] {
  const parameters: unknown[] = [limit, offset, BATCH_BYTES];
  const conditions: string[] = [];
  if (userId !== undefined) conditions.push(`user_id = $${parameters.push(userId)}`);
  let order = 'item_id';
  if (resourceTypes?.length === 1) {
    // A range of one type, in the order of the index of types: for a type of most records, the planner would
    // take the primary key, and read the table.
    const type = `$${parameters.push(resourceTypes[0])}::varchar`;
    conditions.push(`resource_type >= ${type} AND resource_type <= ${type}`);
    order = 'resource_type, item_id';
  } else if (resourceTypes) {
    // Spellings of one type, such as ROUTE and route: rare, so sorting them is good enough.
    conditions.push(`resource_type = ANY ($${parameters.push(resourceTypes)}::varchar[])`);
  }
  if (status !== undefined) conditions.push(`status = ${escapeLiteral(status)}`);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  // OFFSET 0: for each row of the page one look-up, whatever the planner expects of the page.
  const rows = (columns: string) => `
    page CROSS JOIN LATERAL (
      SELECT ${columns} FROM records WHERE user_id = page.user_id AND item_id = page.item_id OFFSET 0
    ) r`;
  const body = asset === undefined ? RECORD_JSON : itemJson('r', `$${parameters.push(asset)}::text`);
  const bytes = asset === undefined ? 'r.bytes' : `${ITEM_COPIES} * r.bytes`;
  const sql = `
    WITH page AS MATERIALIZED (
      SELECT user_id, item_id FROM records ${where} ORDER BY ${order} LIMIT $1 OFFSET $2
    )
    SELECT
      (SELECT coalesce(sum(records), 0)::float8 FROM library_sizes ${where}) AS total,
      CASE WHEN size.bytes <= $3
        THEN (SELECT string_agg(${body}, ',' ORDER BY r.item_id) FROM ${rows('*')})
      END AS records,
      CASE WHEN size.bytes > $3 THEN (
        SELECT json_agg(json_build_object('id', r.id, 'bytes', ${bytes}) ORDER BY r.item_id)
        FROM ${rows('id, item_id, bytes')}
      ) END AS entries
    FROM (SELECT coalesce(sum(${bytes}), 0) AS bytes FROM ${rows('bytes')}) size`;
  return [sql, parameters];
}
