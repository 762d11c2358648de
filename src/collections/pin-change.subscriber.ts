import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource, EntityManager, EntitySubscriberInterface, InsertEvent, RemoveEvent } from 'typeorm';
import { FeedWriter } from '../sync-feed/feed-writer.js';
import { Pin } from './pin.entity.js';

/** Writes `added` and `removed` to the feed of the developer who pins, in the transaction of the pin. */
@Injectable()
export class PinChangeSubscriber implements EntitySubscriberInterface<Pin> {
  constructor(
    @InjectDataSource() dataSource: DataSource,
    private readonly feed: FeedWriter,
  ) {
    dataSource.subscribers.push(this);
  }

  listenTo() {
    return Pin;
  }

  async beforeInsert({ manager, entity }: InsertEvent<Pin>): Promise<void> {
    entity.pinnedAt = await this.append(manager, 'added', entity);
  }

  async beforeRemove({ manager, databaseEntity }: RemoveEvent<Pin>): Promise<void> {
    await this.append(manager, 'removed', databaseEntity);
  }

  private async append(manager: EntityManager, action: 'added' | 'removed', pin: Pin): Promise<Date> {
    const { userId, itemType, asset, itemId, itemUserId } = pin;
    // The id of a collection is the `userId` of its developer.
    const change = { userId, action, itemType, asset, itemId, itemUserId, collectionId: userId };
    const { datetime } = await this.feed.append(manager, change);
    return datetime;
  }
}
