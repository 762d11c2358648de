import type { EntityManager } from 'typeorm';
import { config } from '../config.js';
import { ApiError } from '../http/api-error.js';

/**
 * SQL: keeps `library_sizes`, the number and the bytes of records by type and status, so that no list counts
 * anew. It joins the statement of a change before the record is written: the stored record is the old one.
 *
 * The lock of the feed makes it exact, and keeps writers of other libraries out of the same rows.
 *
 * $1 feed, $5 item id, $8 type, $9 status and $10 bytes of the new record; null: it is deleted
 */
export const SIZE_CHANGE = `
  INSERT INTO library_sizes AS size (user_id, resource_type, status, records, bytes)
  SELECT $1, resource_type, status, sum(records), sum(bytes)
  FROM (
    SELECT resource_type, status, -1 AS records, -bytes AS bytes FROM records
    WHERE user_id = $1 AND item_id = $5
    UNION ALL
    SELECT $8::varchar, $9::varchar, 1, $10::integer WHERE $10 IS NOT NULL
  ) change
  GROUP BY resource_type, status
  HAVING sum(records) <> 0 OR sum(bytes) <> 0
  ON CONFLICT (user_id, resource_type, status) DO UPDATE
  SET records = size.records + excluded.records, bytes = size.bytes + excluded.bytes`;

const READ_SIZE = `
  SELECT coalesce(sum(records), 0)::float8 AS records, coalesce(sum(bytes), 0)::float8 AS bytes
  FROM library_sizes WHERE user_id = $1`;

/** SQL: the resource types of a library. $1 feed */
export const READ_TYPES = `
  SELECT DISTINCT resource_type AS "resourceType" FROM library_sizes WHERE user_id = $1 AND records > 0`;

const quotaExceeded = (name: string, quota: number) =>
  new ApiError(403, 'quota_exceeded', 'Quota exceeded', `The library may have ${quota} ${name}.`);

export const QUOTA_EXCEEDED = quotaExceeded('records', 100_000);

/**
 * Refuses a write that lets a library grow beyond QUOTA_RECORDS or QUOTA_BYTES. Call it under the lock of the
 * feed. A library that is over its quota may shrink.
 *
 * @throws ApiError 403
 */
export async function assertQuota(
  manager: EntityManager,
  userId: number,
  growthOf: () => { records: number; bytes: number },
): Promise<void> {
  const { QUOTA_RECORDS: maxRecords = Infinity, QUOTA_BYTES: maxBytes = Infinity } = config;
  if (maxRecords === Infinity && maxBytes === Infinity) return;
  const [size] = await manager.query<{ records: number; bytes: number }[]>(READ_SIZE, [userId]);
  const growth = growthOf();
  if (growth.records > 0 && size.records + growth.records > maxRecords)
    throw quotaExceeded('records', maxRecords);
  if (growth.bytes > 0 && size.bytes + growth.bytes > maxBytes) throw quotaExceeded('bytes', maxBytes);
}
