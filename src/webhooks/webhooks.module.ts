import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DevelopersModule } from '../developers/developers.module.js';
import { FeedClockModule } from '../feed-clock/feed-clock.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { SyncFeedModule } from '../sync-feed/sync-feed.module.js';
import { ClientKeySubscriber, GrantSubscriber } from './right.subscriber.js';
import { DeliveryService } from './delivery.service.js';
import { DispatcherService } from './dispatcher.service.js';
import { PositionsService } from './positions.service.js';
import { WebhookAttempt } from './webhook-attempt.entity.js';
import { WebhookDelivery } from './webhook-delivery.entity.js';
import { WebhookEndpoint } from './webhook-endpoint.entity.js';
import { WebhookLogService } from './webhook-log.service.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksService } from './webhooks.service.js';

/**
 * One more reader of the feed: tells API clients what is new in it. A change wakes it up (wake-up.ts), a position says what
 * an endpoint has been told (positions.service.ts), and what is due is sent (dispatcher.service.ts, delivery.service.ts).
 */
@Module({
  imports: [
    TypeOrmModule.forFeature([WebhookEndpoint, WebhookDelivery, WebhookAttempt]),
    DevelopersModule,
    FeedClockModule,
    SyncFeedModule,
    JobsModule,
  ],
  controllers: [WebhooksController],
  providers: [
    WebhooksService,
    WebhookLogService,
    PositionsService,
    DispatcherService,
    DeliveryService,
    ClientKeySubscriber,
    GrantSubscriber,
  ],
})
export class WebhooksModule {}
