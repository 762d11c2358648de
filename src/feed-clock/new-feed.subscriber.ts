import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource, EntitySubscriberInterface, InsertEvent } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';
import { FIRST_TICK } from './feed-clock.js';
import { Feed } from './feed.entity.js';

/** Creates the feed of a new developer, in the transaction that creates the developer. */
@Injectable()
export class NewFeedSubscriber implements EntitySubscriberInterface<Developer> {
  constructor(@InjectDataSource() dataSource: DataSource) {
    dataSource.subscribers.push(this);
  }

  listenTo() {
    return Developer;
  }

  async afterInsert({ manager, entity }: InsertEvent<Developer>): Promise<void> {
    const { userId, developerId, createdAt } = entity;
    // Undefined after ON CONFLICT DO NOTHING: another process has created the developer and the feed.
    if (userId === undefined) return;
    const born = () => `greatest('${createdAt.toISOString()}', ${FIRST_TICK})`;
    await manager.insert(Feed, { userId, developerId, born, clock: born });
  }
}
