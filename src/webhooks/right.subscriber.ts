import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource, EntitySubscriberInterface, InsertEvent, UpdateEvent } from 'typeorm';
import { ApiKey } from '../clients/api-key.entity.js';
import { JobsService } from '../jobs/jobs.service.js';
import { Grant } from '../tokens/grant.entity.js';
import { startTelling } from './rights.js';

const reads = (scopes: readonly string[]) => scopes.includes('sync:read');

const isLive = ({ scopes, expiresAt }: Pick<Grant, 'scopes' | 'expiresAt'>) =>
  reads(scopes) && expiresAt.getTime() > Date.now();

/** A new key of a client starts the positions of its endpoints, in the transaction that makes the key. */
@Injectable()
export class ClientKeySubscriber implements EntitySubscriberInterface<ApiKey> {
  constructor(
    @InjectDataSource() dataSource: DataSource,
    private readonly jobs: JobsService,
  ) {
    dataSource.subscribers.push(this);
  }

  listenTo() {
    return ApiKey;
  }

  async afterInsert({ manager, entity: { id, client, developer, scopes } }: InsertEvent<ApiKey>) {
    if (client && reads(scopes)) await startTelling(this.jobs, manager, client.id, developer.userId, id);
  }
}

/** The same for a grant that is made, or that becomes one with `sync:read`. */
@Injectable()
export class GrantSubscriber implements EntitySubscriberInterface<Grant> {
  constructor(
    @InjectDataSource() dataSource: DataSource,
    private readonly jobs: JobsService,
  ) {
    dataSource.subscribers.push(this);
  }

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

  private start(manager: InsertEvent<Grant>['manager'], { client, developer, id }: Grant): Promise<void> {
    return startTelling(this.jobs, manager, client.id, developer.userId, id);
  }
}
