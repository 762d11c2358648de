import { Module } from '@nestjs/common';
import { FeedClock } from './feed-clock.js';
import { NewFeedSubscriber } from './new-feed.subscriber.js';

/** The clock of each feed, and its lock: what makes a datetime an exact cursor. */
@Module({ providers: [FeedClock, NewFeedSubscriber], exports: [FeedClock] })
export class FeedClockModule {}
