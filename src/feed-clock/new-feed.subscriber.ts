import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource, EntitySubscriberInterface, InsertEvent } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';
import { FIRST_TICK } from './feed-clock.js';
import { Feed } from './feed.entity.js';

/** SQL: later than all cursors of erased feeds, of which a client of the new feed may still have one. */
const AFTER_ERASED = `(SELECT max(clock) + interval '1 millisecond' FROM erased_feeds)`;

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
    const born = () => `greatest('${createdAt.toISOString()}', ${FIRST_TICK}, ${AFTER_ERASED})`;
    const erasedFrom = () => '(SELECT min(born) FROM erased_feeds)';
    await manager.insert(Feed, { userId, developerId, born, clock: born, erasedFrom });
  }
}
