import { Module } from '@nestjs/common';
import { FeedClockModule } from '../feed-clock/feed-clock.module.js';
import { HistoriesModule } from '../histories/histories.module.js';
import { FeedWakeUps } from './feed-wake-ups.js';
import { LiveRequests } from './live-requests.js';

/** Requests that wait for changes, and what wakes them. */
@Module({
  imports: [FeedClockModule, HistoriesModule],
  providers: [FeedWakeUps, LiveRequests],
  exports: [FeedWakeUps, LiveRequests],
})
export class LiveModule {}
