import {
  type EntityManager,
  type EntitySubscriberInterface,
  EventSubscriber,
  type InsertEvent,
  type RemoveEvent,
} from 'typeorm';
import { appendChangeEvent } from '../sync-feed/append-change-event.js';
import { Pin } from './pin.entity.js';

/** Announces what enters and leaves a `pinned` collection, in the feed of the developer whose collection it is. */
@EventSubscriber()
export class PinChangeSubscriber implements EntitySubscriberInterface<Pin> {
  listenTo() {
    return Pin;
  }

  async beforeInsert({ manager, entity }: InsertEvent<Pin>) {
    entity.pinnedAt = await this.announce(manager, 'added', entity);
  }

  async beforeRemove({ manager, databaseEntity }: RemoveEvent<Pin>) {
    await this.announce(manager, 'removed', databaseEntity);
  }

  private async announce(manager: EntityManager, action: 'added' | 'removed', pin: Pin): Promise<Date> {
    const { datetime } = await appendChangeEvent(manager, {
      feedId: pin.developerId,
      action,
      itemType: pin.itemType,
      asset: pin.asset,
      itemId: pin.itemId,
      itemUserId: pin.itemOwnerId,
      // The collection has the id of its developer.
      collectionId: pin.developerId,
    });
    return datetime;
  }
}
