import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource, EntitySubscriberInterface, RemoveEvent } from 'typeorm';
import { Share } from '../records/share.entity.js';
import { FollowersService } from './followers.service.js';

/** The end of a share sends a job that removes the item from its reader's collection. */
@Injectable()
export class RevokedShareSubscriber implements EntitySubscriberInterface<Share> {
  constructor(
    @InjectDataSource() dataSource: DataSource,
    private readonly followers: FollowersService,
  ) {
    dataSource.subscribers.push(this);
  }

  listenTo() {
    return Share;
  }

  async beforeRemove({ manager, databaseEntity }: RemoveEvent<Share>): Promise<void> {
    const { userId, itemId, readerUserId } = databaseEntity;
    await this.followers.send(manager, { itemUserId: userId, itemId, followerUserId: readerUserId });
  }
}
