import type { EntityManager } from 'typeorm';
import type { DeveloperIdentity } from '../access/caller.js';
import { serviceUnavailable } from '../http/api-error.js';

const LOCK = 'SELECT 1 FROM developers WHERE user_id = $1 AND developer_id = $2 FOR KEY SHARE';

/** Both ids of a developer were read before it was erased, or before the database was restored. */
export const staleIdentity = () =>
  serviceUnavailable('The developer was erased, or the database was restored, meanwhile. Try again.');

/**
 * Keeps a developer until the transaction ends: an erasure waits. Call it before a row of the developer is
 * written; writes under the lock of its feed need it not.
 *
 * Stale identity: it names both ids. A process that remembers them from before an erasure finds no row, and
 * never writes for a developer who is gone.
 *
 * @throws ApiError 503 if the database has no such developer (any more)
 */
export async function lockDeveloper(
  manager: EntityManager,
  { userId, developerId }: DeveloperIdentity,
): Promise<void> {
  const rows = await manager.query<unknown[]>(LOCK, [userId, developerId]);
  if (rows.length === 0) throw staleIdentity();
}
