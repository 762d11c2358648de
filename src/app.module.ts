import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import dataSource from '../ormconfig.js';
import { AuthModule } from './auth/auth.module.js';
import { HealthController } from './health/health.controller.js';
import { RecordsModule } from './records/records.module.js';
import { SyncFeedModule } from './sync-feed/sync-feed.module.js';

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      useFactory: () => ({ ...dataSource.options, retryAttempts: 0 }),
      dataSourceFactory: async () => {
        await dataSource.initialize();
        await dataSource.migrate();
        return dataSource;
      },
    }),
    AuthModule,
    RecordsModule,
    SyncFeedModule,
  ],
  controllers: [HealthController],
})
export class AppModule {}
