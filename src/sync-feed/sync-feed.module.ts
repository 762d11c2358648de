import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { SyncFeedController } from './sync-feed.controller.js';
import { SyncFeedService } from './sync-feed.service.js';

/** The feed: what clients poll. `RecordChangeSubscriber` writes it (registered in ormconfig.ts); this reads it. */
@Module({
  imports: [AuthModule],
  controllers: [SyncFeedController],
  providers: [SyncFeedService],
})
export class SyncFeedModule {}
