import { Module } from '@nestjs/common';
import { DatabaseClockModule } from '../database/database-clock.module.js';
import { JobsService } from './jobs.service.js';

/** Work that happens after a change has been committed, and survives the process. */
@Module({ imports: [DatabaseClockModule], providers: [JobsService], exports: [JobsService] })
export class JobsModule {}
