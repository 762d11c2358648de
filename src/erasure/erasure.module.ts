import { Module } from '@nestjs/common';
import { ClientsModule } from '../clients/clients.module.js';
import { DevelopersModule } from '../developers/developers.module.js';
import { FeedClockModule } from '../feed-clock/feed-clock.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { ErasureController } from './erasure.controller.js';
import { ErasureService } from './erasure.service.js';

/** Erasure of a developer with everything that is its own. */
@Module({
  imports: [ClientsModule, DevelopersModule, FeedClockModule, JobsModule, TokensModule],
  controllers: [ErasureController],
  providers: [ErasureService],
})
export class ErasureModule {}
