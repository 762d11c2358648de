import type { EntityManager, QueryDeepPartialEntity } from 'typeorm';
import { SyncRecord } from './record.entity.js';

/**
 * Updates a whole record. The one exception from the rule that records are written with `insert`, `save` and `remove`:
 * `save()` would read the record once more (a round trip), and `update()` tells subscribers of everything as long as
 * it is given the whole entity.
 *
 * @param record as it was read in this transaction, with its changes
 */
export async function updateWhole(manager: EntityManager, record: SyncRecord): Promise<SyncRecord> {
  const { userId, itemId } = record;
  // eslint-disable-next-line no-restricted-syntax
  await manager.update(SyncRecord, { userId, itemId }, record as QueryDeepPartialEntity<SyncRecord>);
  return record;
}
