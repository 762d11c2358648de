import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseClock } from '../database/database-clock.js';
import { DatabaseClockModule } from '../database/database-clock.module.js';
import { DevelopersModule } from '../developers/developers.module.js';
import { FeedWriter } from '../sync-feed/feed-writer.js';
import { HistoriesModule } from '../histories/histories.module.js';
import { SyncFeedModule } from '../sync-feed/sync-feed.module.js';
import { DeliveriesService } from './deliveries.service.js';
import { EndpointsService } from './endpoints.service.js';
import { LogPruner } from './log-pruner.js';
import { WAKE_UP } from './positions.js';
import { ClientKeySubscriber, GrantSubscriber } from './right.subscriber.js';
import { Deliverer } from './sender/deliver.js';
import { EndpointHealth } from './sender/endpoint-health.js';
import { DEFAULT_OPTIONS, SenderOptions } from './sender/options.js';
import { Scheduler } from './sender/scheduler.js';
import { TestPlaces } from './sender/test-places.js';
import { WebhookAttempt } from './webhook-attempt.entity.js';
import { WebhookDelivery } from './webhook-delivery.entity.js';
import { WebhookEndpoint } from './webhook-endpoint.entity.js';
import { WebhookPosition } from './webhook-position.entity.js';
import { WebhooksController } from './webhooks.controller.js';

/**
 * One more reader of the feed: notifies API clients of changes. An endpoint has a position in each feed that
 * its client may read. A change leaves a wake-up, the scheduler makes its positions due, and the deliverer
 * sends the next range.
 */
@Module({
  imports: [
    TypeOrmModule.forFeature([WebhookEndpoint, WebhookPosition, WebhookDelivery, WebhookAttempt]),
    DatabaseClockModule,
    DevelopersModule,
    HistoriesModule,
    SyncFeedModule,
  ],
  controllers: [WebhooksController],
  providers: [
    ...[EndpointsService, DeliveriesService, LogPruner, ClientKeySubscriber, GrantSubscriber],
    ...[
      Scheduler,
      TestPlaces,
      Deliverer,
      EndpointHealth,
      { provide: SenderOptions, useValue: DEFAULT_OPTIONS },
    ],
  ],
})
export class WebhooksModule {
  constructor(feed: FeedWriter, clock: DatabaseClock, scheduler: Scheduler) {
    feed.alsoRun({ name: 'woken', sql: WAKE_UP, afterCommit: () => scheduler.nudge() });
    clock.move('webhook_positions', ['due_at']);
    clock.move('webhook_endpoints', ['failing_since', 'failed_at', 'retry_at', 'tested_until']);
  }
}
