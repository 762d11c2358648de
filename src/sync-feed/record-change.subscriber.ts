import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type {
  DataSource,
  EntityManager,
  EntitySubscriberInterface,
  InsertEvent,
  RemoveEvent,
  UpdateEvent,
} from 'typeorm';
import { SyncRecord } from '../records/record.entity.js';
import { assetOf, itemTypeOf } from '../api/resource-type.js';
import type { Action } from './change-event.entity.js';
import { FeedWriter } from './feed-writer.js';

/** Work of another module in the transaction that changes or removes a record, before the event. */
export type RecordChangeHook = (
  manager: EntityManager,
  action: 'updated' | 'deleted',
  record: SyncRecord,
) => Promise<void>;

/**
 * Writes an event for each change of a record to its owner's feed, in the transaction of the change. It uses
 * the `before` hooks, so that the record is stored with the tick of its event.
 *
 * The only subscriber of records: TypeORM runs the same hook of several subscribers concurrently, but a
 * connection runs one query at a time. Other modules register with `beforeEvent` and run one after the other.
 */
@Injectable()
export class RecordChangeSubscriber implements EntitySubscriberInterface<SyncRecord> {
  private readonly hooks: RecordChangeHook[] = [];

  constructor(
    @InjectDataSource() dataSource: DataSource,
    private readonly feed: FeedWriter,
  ) {
    dataSource.subscribers.push(this);
  }

  /** Registers a hook. Hooks run in the order of registration. Call it at start, before the first change. */
  beforeEvent(hook: RecordChangeHook): void {
    this.hooks.push(hook);
  }

  listenTo() {
    return SyncRecord;
  }

  beforeInsert({ manager, entity }: InsertEvent<SyncRecord>): Promise<void> {
    return this.append(manager, 'created', entity);
  }

  async beforeUpdate({ manager, entity }: UpdateEvent<SyncRecord>): Promise<void> {
    const record = entity as SyncRecord;
    for (const hook of this.hooks) await hook(manager, 'updated', record);
    await this.append(manager, 'updated', record);
  }

  async beforeRemove({ manager, databaseEntity }: RemoveEvent<SyncRecord>): Promise<void> {
    for (const hook of this.hooks) await hook(manager, 'deleted', databaseEntity);
    await this.append(manager, 'deleted', databaseEntity);
  }

  private async append(manager: EntityManager, action: Action, record: SyncRecord): Promise<void> {
    const itemType = itemTypeOf(record.resourceType);
    const change = {
      userId: record.userId,
      action,
      itemType,
      asset: assetOf(itemType),
      itemId: record.itemId,
      itemUserId: record.userId,
    };
    const { resourceType, status } = record;
    if (action !== 'deleted') record.weigh();
    const bytes = action === 'deleted' ? null : record.bytes;
    const { datetime, itemId } = await this.feed.append(manager, change, { resourceType, status, bytes });
    record.itemId = itemId;
    record.stamp(datetime);
  }
}
