import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource, EntitySubscriberInterface, InsertEvent } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';
import { Feed } from './feed.entity.js';

/** Makes the feed of a new developer, in the transaction that makes the developer. */
@Injectable()
export class NewFeedSubscriber implements EntitySubscriberInterface<Developer> {
  constructor(@InjectDataSource() dataSource: DataSource) {
    dataSource.subscribers.push(this);
  }

  listenTo() {
    return Developer;
  }

  async afterInsert({ manager, entity: { userId, createdAt } }: InsertEvent<Developer>): Promise<void> {
    // Undefined: ON CONFLICT DO NOTHING, another process has made the developer, and the feed with it.
    if (userId !== undefined) await manager.insert(Feed, { userId, clock: createdAt });
  }
}
