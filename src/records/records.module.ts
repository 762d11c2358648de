import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthModule } from '../auth/auth.module.js';
import { ItemsController } from './items.controller.js';
import { SyncRecord } from './record.entity.js';
import { RecordsController } from './records.controller.js';
import { Share } from './share.entity.js';
import { SharesController } from './shares.controller.js';
import { SharesService } from './shares.service.js';
import { RecordsService } from './records.service.js';

/** The records API: what services write. Knows nothing of the feed. */
@Module({
  imports: [TypeOrmModule.forFeature([SyncRecord, Share]), AuthModule],
  controllers: [RecordsController, SharesController, ItemsController],
  providers: [RecordsService, SharesService],
  exports: [RecordsService],
})
export class RecordsModule {}
