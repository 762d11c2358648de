import {
  type EntityManager,
  type EntitySubscriberInterface,
  EventSubscriber,
  type InsertEvent,
  type RemoveEvent,
  type UpdateEvent,
} from 'typeorm';
import { SyncRecord } from '../records/record.entity.js';
import { assetOf, itemTypeOf } from '../records/resource-type.js';
import { appendChangeEvent } from './append-change-event.js';
import type { Action } from './change-event.entity.js';

/**
 * Announces every change of a record in its owner's feed, in the transaction that makes it: both happen or neither.
 * It works in the `before` hooks, so that the record carries the datetime of its own event.
 */
@EventSubscriber()
export class RecordChangeSubscriber implements EntitySubscriberInterface<SyncRecord> {
  listenTo() {
    return SyncRecord;
  }

  beforeInsert({ manager, entity }: InsertEvent<SyncRecord>) {
    return this.announce(manager, 'created', entity);
  }

  beforeUpdate({ manager, entity }: UpdateEvent<SyncRecord>) {
    return this.announce(manager, 'updated', entity as SyncRecord);
  }

  /** After, so that what else the end of a record brings about comes before it in the feed. */
  afterRemove({ manager, databaseEntity }: RemoveEvent<SyncRecord>) {
    return this.announce(manager, 'deleted', databaseEntity);
  }

  private async announce(manager: EntityManager, action: Action, record: SyncRecord): Promise<void> {
    const itemType = itemTypeOf(record.resourceType);
    const { datetime, itemId } = await appendChangeEvent(manager, {
      feedId: record.ownerId,
      action,
      itemType,
      asset: assetOf(itemType),
      itemId: record.itemId,
      itemUserId: record.ownerId,
    });
    record.itemId = itemId;
    record.stamp(datetime);
  }
}
