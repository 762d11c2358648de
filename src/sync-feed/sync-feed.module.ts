import { Module } from '@nestjs/common';
import { DevelopersModule } from '../developers/developers.module.js';
import { FeedClockModule } from '../feed-clock/feed-clock.module.js';
import { HistoriesModule } from '../histories/histories.module.js';
import { LiveModule } from '../live/live.module.js';
import { EventStream } from './event-stream.js';
import { FeedPruner } from './feed-pruner.js';
import { DigestReader } from './digest.js';
import { FeedReader } from './feed-reader.js';
import { FeedWriter } from './feed-writer.js';
import { LongPoll } from './long-poll.js';
import { RecordChangeSubscriber } from './record-change.subscriber.js';
import { SyncFeedController } from './sync-feed.controller.js';
import { SyncFeedService } from './sync-feed.service.js';

/** The feed that clients poll. FeedWriter writes it, FeedReader reads it. */
@Module({
  imports: [DevelopersModule, FeedClockModule, HistoriesModule, LiveModule],
  controllers: [SyncFeedController],
  providers: [
    DigestReader,
    EventStream,
    FeedPruner,
    FeedReader,
    FeedWriter,
    LongPoll,
    RecordChangeSubscriber,
    SyncFeedService,
  ],
  exports: [FeedWriter, RecordChangeSubscriber],
})
export class SyncFeedModule {}
