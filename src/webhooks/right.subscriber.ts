import { type EntitySubscriberInterface, EventSubscriber, type InsertEvent, type UpdateEvent } from 'typeorm';
import { ApiKey } from '../auth/api-key.entity.js';
import { Grant } from '../auth/grant.entity.js';
import { startTelling } from './rights.js';

const reads = (scopes: readonly string[]) => scopes.includes('sync:read');

const isLive = ({ scopes, expiresAt }: Pick<Grant, 'scopes' | 'expiresAt'>) =>
  reads(scopes) && expiresAt.getTime() > Date.now();

/** A key of a client lets its endpoints hear of the feed of its developer, from the transaction on that makes the key. */
@EventSubscriber()
export class ClientKeySubscriber implements EntitySubscriberInterface<ApiKey> {
  listenTo() {
    return ApiKey;
  }

  async afterInsert({ manager, entity: { id, client, developer, scopes } }: InsertEvent<ApiKey>) {
    if (client && reads(scopes)) await startTelling(manager, client.id, developer.id, id);
  }
}

/** So does a grant, when it is made, and when it comes to be one that lets read. */
@EventSubscriber()
export class GrantSubscriber implements EntitySubscriberInterface<Grant> {
  listenTo() {
    return Grant;
  }

  async afterInsert({ manager, entity }: InsertEvent<Grant>) {
    if (isLive(entity)) await startTelling(manager, entity.client.id, entity.developer.id, entity.id);
  }

  async afterUpdate({ manager, entity, databaseEntity }: UpdateEvent<Grant>) {
    const grant = entity as Grant;
    if (isLive(grant) && !isLive(databaseEntity))
      await startTelling(manager, grant.client.id, grant.developer.id, grant.id);
  }
}
