import { Module } from '@nestjs/common';
import { DevelopersModule } from '../developers/developers.module.js';
import { FeedClockModule } from '../feed-clock/feed-clock.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { RecordsModule } from '../records/records.module.js';
import { SyncFeedModule } from '../sync-feed/sync-feed.module.js';
import { CollectionsController } from './collections.controller.js';
import { CollectionsService } from './collections.service.js';
import { FollowedRecord } from './followed-record.js';
import { FollowersService } from './followers.service.js';
import { PinChangeSubscriber } from './pin-change.subscriber.js';
import { RevokedShareSubscriber } from './revoked-share.subscriber.js';

/** Pinned items, own and shared ones, and the delivery of their changes to followers. */
@Module({
  imports: [DevelopersModule, FeedClockModule, RecordsModule, SyncFeedModule, JobsModule],
  controllers: [CollectionsController],
  providers: [
    CollectionsService,
    FollowedRecord,
    FollowersService,
    PinChangeSubscriber,
    RevokedShareSubscriber,
  ],
})
export class CollectionsModule {}
