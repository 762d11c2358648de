import type { FastifyRequest } from 'fastify';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EntityManager } from 'typeorm';
import { Caller } from '../access/caller.js';
import { type ActorKind, type AuditAction, AuditLine } from './audit-line.entity.js';

const currentRequest = new AsyncLocalStorage<FastifyRequest>();
let running = 0;

/**
 * Runs work as a part of a request to an OAuth endpoint or a login page: the library calls our adapters without it.
 * Not for requests to the API, which have a caller.
 *
 * While an AsyncLocalStorage is in use, Node 20 calls a hook for every promise of the process, a fifth of an idle
 * poll. So it is in use only while such a request runs.
 */
export async function asCurrentRequest<T>(request: FastifyRequest, work: () => Promise<T>): Promise<T> {
  running++;
  try {
    return await currentRequest.run(request, work);
  } finally {
    if (--running === 0) currentRequest.disable();
  }
}

/** Made the change without a credential of the API. */
interface Actor {
  kind: ActorKind;
  /** Id of the API client. */
  id?: string;
  developerId?: string;
}

interface Change {
  action: AuditAction;
  /** Id of the key, the client, the grant, the record or the signing key. */
  targetId?: string;
  /** The developer concerned: the owner of the target. */
  developerId?: string;
  /** Ids, names of fields, and scopes. Never a secret, nor content. */
  details?: object;
}

/**
 * Writes a line of the audit log: who changed it, from which address.
 *
 * Explicit calls, not subscribers: most of these changes are conditional UPDATEs and DELETEs, and a subscriber
 * learns neither whether a row matched nor why (a new key, or the successor of a rotated one).
 *
 * @param manager of the transaction of the change: both are committed, or neither is
 */
export async function audit(manager: EntityManager, by: Caller | Actor, change: Change): Promise<void> {
  const { kind, id, developerId: actorDeveloperId } = by instanceof Caller ? actorOf(by) : by;
  const request = by instanceof Caller ? by.request : currentRequest.getStore();
  await manager.insert(AuditLine, {
    ...change,
    actorKind: kind,
    actorId: id,
    actorDeveloperId,
    // A trusted proxy may pass on what is no address.
    address: request?.ip.slice(0, 255),
    requestId: request?.id,
  });
}

const actorOf = ({ credential, developer }: Caller) => ({
  ...credential,
  developerId: developer?.developerId,
});
