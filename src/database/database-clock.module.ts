import { Module } from '@nestjs/common';
import { DatabaseClock } from './database-clock.js';

/** The database's wall clock, by which rooms wait. */
@Module({ providers: [DatabaseClock], exports: [DatabaseClock] })
export class DatabaseClockModule {}
