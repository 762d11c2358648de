import { Module } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { Histories } from './histories.js';

/** What happens when the database goes back in time. */
@Module({
  providers: [
    {
      provide: Histories,
      inject: [getDataSourceToken()],
      // Awaited before any provider that depends on it is made.
      useFactory: async (dataSource: TidemarkDataSource) => {
        const histories = new Histories(dataSource);
        await histories.start();
        return histories;
      },
    },
  ],
  exports: [Histories],
})
export class HistoriesModule {}
