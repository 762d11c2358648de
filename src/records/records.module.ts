import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthModule } from '../auth/auth.module.js';
import { ItemsController } from './items.controller.js';
import { SyncRecord } from './record.entity.js';
import { RecordsController } from './records.controller.js';
import { RecordsService } from './records.service.js';

/** The records API: what services write. Knows nothing of the feed. */
@Module({
  imports: [TypeOrmModule.forFeature([SyncRecord]), AuthModule],
  controllers: [RecordsController, ItemsController],
  providers: [RecordsService],
})
export class RecordsModule {}
