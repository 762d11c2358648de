import { Module } from '@nestjs/common';
import { HistoriesModule } from '../histories/histories.module.js';
import { FeedClock } from './feed-clock.js';
import { NewFeedSubscriber } from './new-feed.subscriber.js';

/** The clock and the lock of each feed: they make a datetime an exact cursor. */
@Module({ imports: [HistoriesModule], providers: [FeedClock, NewFeedSubscriber], exports: [FeedClock] })
export class FeedClockModule {}
