import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
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
  private timer?: NodeJS.Timeout;
  private running?: Promise<void>;
  private isStopping = false;

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly grants: GrantsService,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.start(), INTERVAL).unref();
  }

  /** Lets a running batch finish while the database is still connected. */
  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await this.running;
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
    while (!this.isStopping && (await remove()));
  }

  /** Single-flight: a slow removal is not joined by a second one. */
  private start(): void {
    this.running ??= this.removeExpired()
      .catch((error: unknown) => this.logger.error({ err: error }, 'expired rows were not removed'))
      .finally(() => (this.running = undefined));
  }
}
