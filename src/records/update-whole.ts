import type { EntityManager, QueryDeepPartialEntity } from 'typeorm';
import { SyncRecord } from './record.entity.js';

/**
 * Updates a whole record. The one exception to the rule that records are written with `insert`, `save` and
 * `remove`: `save()` would read the record again (a round trip), and `update()` gives subscribers every field
 * if it gets the whole entity.
 *
 * @param record read in this transaction, then changed
 */
export async function updateWhole(manager: EntityManager, record: SyncRecord): Promise<SyncRecord> {
  const { userId, itemId } = record;
  // eslint-disable-next-line no-restricted-syntax
  await manager.update(SyncRecord, { userId, itemId }, record as QueryDeepPartialEntity<SyncRecord>);
  return record;
}
