import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource, EntitySubscriberInterface, RemoveEvent } from 'typeorm';
import { JobsService } from '../jobs/jobs.service.js';
import { Share } from '../records/share.entity.js';
import { FOLLOWERS, type FollowersJob } from './followers.service.js';

/** The end of a share sends a job that removes the item from its reader's collection. */
@Injectable()
export class RevokedShareSubscriber implements EntitySubscriberInterface<Share> {
  constructor(
    @InjectDataSource() dataSource: DataSource,
    private readonly jobs: JobsService,
  ) {
    dataSource.subscribers.push(this);
  }

  listenTo() {
    return Share;
  }

  async beforeRemove({ manager, databaseEntity }: RemoveEvent<Share>): Promise<void> {
    const { userId, itemId, readerUserId } = databaseEntity;
    const job: FollowersJob = { itemUserId: userId, itemId, followerUserId: readerUserId };
    await this.jobs.send(manager, FOLLOWERS, job);
  }
}
