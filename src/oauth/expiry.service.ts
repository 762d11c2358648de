import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { PeriodicTask } from '../database/periodic-task.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { GrantsService } from '../tokens/grants.service.js';

/** Between two removals in one process, in ms. */
const INTERVAL = 60_000;

/** Rows of one statement. */
const BATCH = 1_000;

/** SKIP LOCKED: processes that remove at the same time take different rows. */
const REMOVALS = ['oauth_states', 'invites', 'login_attempts', 'login_origins'].map(
  (table) => `
    DELETE FROM ${table} WHERE ctid IN (
      SELECT ctid FROM ${table} WHERE expires_at < clock_timestamp() LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)`,
);

/**
 * Removes all expired rows, once a minute in every process, in batches of 1,000. It only saves space: an
 * expired row has no effect, removed or not.
 */
@Injectable()
export class ExpiryService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(ExpiryService.name);
  private readonly task = new PeriodicTask(
    'expiry',
    () => this.removeExpired(),
    (error) => this.logger.error({ err: error }, 'expired rows were not removed'),
  );

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly grants: GrantsService,
  ) {}

  onApplicationBootstrap(): void {
    this.task.start(INTERVAL);
  }

  onModuleDestroy(): Promise<void> {
    return this.task.stop();
  }

  /** One statement at a time, none in a transaction: the embedded database has a single connection. */
  async removeExpired(): Promise<void> {
    for (const sql of REMOVALS) {
      await this.repeat(async () => (await this.dataSource.pool.query(sql)).rowCount === BATCH);
    }
    // As entities, so that subscribers hear of them.
    await this.repeat(() => this.grants.removeExpired());
  }

  /** @param remove one batch; true: there may be more */
  private async repeat(remove: () => Promise<boolean>): Promise<void> {
    while (!this.task.isStopping && (await remove()));
  }
}
