import { Module } from '@nestjs/common';
import { JobsService } from './jobs.service.js';

/** Work that happens after a change has been committed, and survives the process. */
@Module({ providers: [JobsService], exports: [JobsService] })
export class JobsModule {}
