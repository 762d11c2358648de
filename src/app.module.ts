import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import dataSource from '../ormconfig.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { ClientsModule } from './clients/clients.module.js';
import { CollectionsModule } from './collections/collections.module.js';
import { DevelopersModule } from './developers/developers.module.js';
import { ErasureModule } from './erasure/erasure.module.js';
import { FeedClockModule } from './feed-clock/feed-clock.module.js';
import { HealthController } from './health/health.controller.js';
import { HistoriesModule } from './histories/histories.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { OAuthModule } from './oauth/oauth.module.js';
import { RecordsModule } from './records/records.module.js';
import { SyncFeedModule } from './sync-feed/sync-feed.module.js';
import { TokensModule } from './tokens/tokens.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      useFactory: () => dataSource.options,
      // Connected and migrated before the application is made (create-app.ts): a failure is one clear line
      // then.
      dataSourceFactory: () => Promise.resolve(dataSource),
    }),
    AuditModule,
    AuthModule,
    DevelopersModule,
    FeedClockModule,
    HistoriesModule,
    ClientsModule,
    TokensModule,
    OAuthModule,
    RecordsModule,
    SyncFeedModule,
    CollectionsModule,
    WebhooksModule,
    ErasureModule,
    MetricsModule.register(),
  ],
  controllers: [HealthController],
})
export class AppModule {}
