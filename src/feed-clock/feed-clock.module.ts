import { Module } from '@nestjs/common';
import { FeedClock } from './feed-clock.js';
import { NewFeedSubscriber } from './new-feed.subscriber.js';

/** The clock and the lock of each feed: they make a datetime an exact cursor. */
@Module({ providers: [FeedClock, NewFeedSubscriber], exports: [FeedClock] })
export class FeedClockModule {}
