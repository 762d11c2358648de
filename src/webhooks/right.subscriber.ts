import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type {
  DataSource,
  EntityManager,
  EntitySubscriberInterface,
  InsertEvent,
  ObjectLiteral,
  UpdateEvent,
} from 'typeorm';
import { ApiKey } from '../clients/api-key.entity.js';
import { Grant } from '../tokens/grant.entity.js';
import { startPositions } from './positions.js';

abstract class RightSubscriber<Right extends ObjectLiteral> implements EntitySubscriberInterface<Right> {
  constructor(@InjectDataSource() dataSource: DataSource) {
    dataSource.subscribers.push(this);
  }
}

const reads = (scopes: readonly string[]) => scopes.includes('sync:read');

const isLive = ({ scopes, expiresAt }: Pick<Grant, 'scopes' | 'expiresAt'>) =>
  reads(scopes) && expiresAt.getTime() > Date.now();

/** A new key of a client starts positions, in the transaction that makes the key. */
@Injectable()
export class ClientKeySubscriber extends RightSubscriber<ApiKey> {
  listenTo() {
    return ApiKey;
  }

  async afterInsert({ manager, entity: { id, client, developer, scopes } }: InsertEvent<ApiKey>) {
    if (client && reads(scopes)) await startPositions(manager, client.id, developer.userId, id);
  }
}

/** The same for a grant that is new, or that now has `sync:read`. */
@Injectable()
export class GrantSubscriber extends RightSubscriber<Grant> {
  listenTo() {
    return Grant;
  }

  async afterInsert({ manager, entity }: InsertEvent<Grant>) {
    if (isLive(entity)) await this.start(manager, entity);
  }

  async afterUpdate({ manager, entity, databaseEntity }: UpdateEvent<Grant>) {
    const grant = entity as Grant;
    if (isLive(grant) && !isLive(databaseEntity)) await this.start(manager, grant);
  }

  private start(manager: EntityManager, { client, developer, id }: Grant): Promise<void> {
    return startPositions(manager, client.id, developer.userId, id);
  }
}
