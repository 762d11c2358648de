import { type DynamicModule, Module } from '@nestjs/common';
import { Registry } from 'prom-client';
import { config } from '../config.js';
import { HistoriesModule } from '../histories/histories.module.js';
import { LiveModule } from '../live/live.module.js';
import { DatabaseMetrics } from './database-metrics.js';
import { EventMetrics } from './event-metrics.js';
import { MetricsServer } from './metrics-server.js';
import { ProcessMetrics } from './process-metrics.js';

/**
 * Metrics for Prometheus. The only room that knows prom-client: the others publish facts (src/signals), or have
 * a state that is read at a scrape. Without METRICS_PORT it is empty.
 */
@Module({})
export class MetricsModule {
  static register(): DynamicModule {
    if (config.METRICS_PORT === undefined) return { module: MetricsModule };
    return {
      module: MetricsModule,
      imports: [HistoriesModule, LiveModule],
      providers: [
        // Not the global one of prom-client.
        { provide: Registry, useFactory: () => new Registry() },
        ...[DatabaseMetrics, EventMetrics, MetricsServer, ProcessMetrics],
      ],
    };
  }
}
