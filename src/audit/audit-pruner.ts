import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { config } from '../config.js';
import { PeriodicTask } from '../database/periodic-task.js';

/** In ms. */
const INTERVAL = 3_600_000;

/** Lines of one transaction. */
const SLICE = 1_000;

/** SQL: marker for the rest of the transaction. Without it, the guard refuses every deletion. */
const PRUNES = `SELECT set_config('tidemark.prunes_audit_log', 'on', true)`;

/** $1 age in days, $2 maximum. SKIP LOCKED: processes that prune at the same time take different lines. */
const DELETE_OLD = `
  DELETE FROM audit_log WHERE id IN (
    SELECT id FROM audit_log WHERE at < clock_timestamp() - $1 * interval '1 day'
    ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
  )`;

/** Retention: deletes lines older than AUDIT_LOG_DAYS, at start and every hour, in every process. */
@Injectable()
export class AuditPruner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(AuditPruner.name);
  private readonly task = new PeriodicTask(
    'audit_log',
    () => this.prune(),
    (error) => this.logger.error({ err: error }, 'the audit log is not pruned'),
  );

  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  onApplicationBootstrap(): void {
    void this.task.run();
    this.task.start(INTERVAL);
  }

  onModuleDestroy(): Promise<void> {
    return this.task.stop();
  }

  private async prune(): Promise<void> {
    while (!this.task.isStopping && (await this.pruneSlice()) === SLICE);
  }

  private pruneSlice(): Promise<number> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(PRUNES);
      const [, count] = await manager.query<[unknown, number]>(DELETE_OLD, [config.AUDIT_LOG_DAYS, SLICE]);
      return count;
    });
  }
}
