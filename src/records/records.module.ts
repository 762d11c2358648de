import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DevelopersModule } from '../developers/developers.module.js';
import { FeedClockModule } from '../feed-clock/feed-clock.module.js';
import { ItemsController } from './items.controller.js';
import { ItemsService } from './items.service.js';
import { SyncRecord } from './record.entity.js';
import { RecordsController } from './records.controller.js';
import { Share } from './share.entity.js';
import { RecordsService } from './records.service.js';
import { SharesController } from './shares.controller.js';
import { SharesService } from './shares.service.js';

/**
 * The records API: records, items and shares. The subscriber in sync-feed writes an event for each change.
 */
@Module({
  imports: [TypeOrmModule.forFeature([SyncRecord, Share]), DevelopersModule, FeedClockModule],
  controllers: [RecordsController, SharesController, ItemsController],
  providers: [RecordsService, ItemsService, SharesService],
  exports: [RecordsService],
})
export class RecordsModule {}
