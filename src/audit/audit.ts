import type { EntityManager } from 'typeorm';
import { currentRequest } from '../http/current-request.js';
import { type ActorKind, type AuditAction, AuditLine } from './audit-line.entity.js';

interface Actor {
  kind: ActorKind;
  /** Id of the API key or of the API client. */
  id?: string | null;
  developerId?: string | null;
}

interface Change {
  action: AuditAction;
  /** Id of the key, the client, the grant, the record or the signing key. */
  targetId?: string;
  /** The developer concerned: the owner of the target. */
  developerId?: string;
  /** Ids, names of fields, and scopes. Never a secret, nor content. */
  details?: object;
  /** Only where the request has no credential of the API. Default: the caller; without one, the system. */
  actor?: Actor;
}

/**
 * Writes a line of the audit log: who changed it, from which address.
 *
 * Explicit calls, not subscribers: most of these changes are conditional UPDATEs and DELETEs, and a subscriber
 * learns neither whether a row matched nor why (a new key, or the successor of a rotated one).
 *
 * @param manager of the transaction of the change: both are committed, or neither is
 */
export async function audit(
  manager: EntityManager,
  { action, targetId, developerId, details, actor }: Change,
): Promise<void> {
  const request = currentRequest.getStore();
  const { kind, id, developerId: actorDeveloperId } = actor ?? callerOf(request?.user);
  await manager.insert(AuditLine, {
    action,
    targetId,
    developerId,
    details,
    actorKind: kind,
    actorId: id,
    actorDeveloperId,
    // A trusted proxy may pass on what is no address.
    address: request?.ip.slice(0, 255),
    requestId: request?.id,
  });
}

type User = NonNullable<ReturnType<typeof currentRequest.getStore>>['user'];

const callerOf = (user: User): Actor =>
  user ? { ...user.credential, developerId: user.developer?.developerId } : { kind: 'system' };
