import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { RecordsModule } from '../records/records.module.js';
import { CollectionsController } from './collections.controller.js';
import { CollectionsService } from './collections.service.js';
import { FollowersService } from './followers.service.js';

/** Pinned items of one's own and of others, and the delivery of their changes to those who pinned them. */
@Module({
  imports: [AuthModule, RecordsModule, JobsModule],
  controllers: [CollectionsController],
  providers: [CollectionsService, FollowersService],
})
export class CollectionsModule {}
