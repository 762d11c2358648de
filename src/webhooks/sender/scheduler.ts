import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryResult, QueryResultRow } from 'pg';
import { IsNull, Not } from 'typeorm';
import { config } from '../../config.js';
import { TidemarkDataSource } from '../../database/tidemark-data-source.js';
import { Histories } from '../../histories/histories.js';
import { WebhookEndpoint } from '../webhook-endpoint.entity.js';
import { WebhookPosition } from '../webhook-position.entity.js';
import { Deliverer } from './deliver.js';
import { MAX_TESTS, SenderOptions } from './options.js';
import { ANNOUNCE_HISTORY } from './sql/announce-history.js';
import { DRAIN_WAKE_UPS } from './sql/drain-wake-ups.js';
import { type LeasedPosition, takeDue } from './sql/take-due.js';

/**
 * Deliveries that one process makes at the same time: 200 requests less those of tests. Each holds a body of
 * 100 notifications, some 30 kB.
 */
const MAX_RUNNING = 200 - MAX_TESTS;

/** ms between the starts of two polls: a burst of changes is drained together. */
const MIN_PAUSE = 25;

/** One process at a time. The number is any constant of ours. */
export const LOCK = 'SELECT pg_advisory_xact_lock(7432633766)';

/** The queue: every process polls it. A poll drains the wake-ups, then leases positions that are due. */
@Injectable()
export class Scheduler implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(Scheduler.name);
  private readonly running = new Set<Promise<void>>();
  private isStopping = false;
  private isNudged = false;
  /** At start, too: a process may have died between the begin of a history and its announcement. */
  private isHistoryNew = true;
  private wakeUp: () => void = () => {};
  private loop: Promise<void> = Promise.resolve();

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly deliverer: Deliverer,
    private readonly options: SenderOptions,
    histories: Histories,
  ) {
    histories.onNewHistory(() => (this.isHistoryNew = true));
  }

  async onApplicationBootstrap(): Promise<void> {
    // No other process uses the embedded database: a lease is that of a process that died.
    if (config.DATABASE_URL === undefined) await this.endLeases();
    this.loop = this.run();
  }

  /** Drain: lets running requests finish. A receiver may be in the middle of its sync. */
  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    this.nudge();
    await this.loop;
    await Promise.all(this.running);
  }

  /** Something may be due: poll now. */
  nudge(): void {
    this.isNudged = true;
    this.wakeUp();
  }

  private async endLeases(): Promise<void> {
    const now = () => 'clock_timestamp()';
    const positions = this.dataSource.getRepository(WebhookPosition);
    await positions.update({ lease: Not(IsNull()) }, { dueAt: now, lease: null });
    const endpoints = this.dataSource.getRepository(WebhookEndpoint);
    await endpoints.update({ testedUntil: Not(IsNull()) }, { testedUntil: null });
  }

  private async run(): Promise<void> {
    while (!this.isStopping) {
      const end = performance.now() + MIN_PAUSE;
      this.isNudged = false;
      try {
        await this.poll();
      } catch (error) {
        // Nothing is lost: the transaction is rolled back, and the next poll finds the same.
        this.logger.error({ err: error }, 'webhooks cannot be scheduled');
      }
      await this.pause();
      await sleep(Math.max(0, end - performance.now()));
    }
  }

  private async poll(): Promise<void> {
    const room = MAX_RUNNING - this.running.size;
    if (room === 0) return;
    if (this.isHistoryNew) {
      await this.underLock(ANNOUNCE_HISTORY);
      this.isHistoryNew = false;
    }
    // Two transactions. In one, PostgreSQL would check the foreign key of a position that both update, and so
    // wait for a deletion of the endpoint, which may wait for the position: a deadlock.
    await this.underLock(DRAIN_WAKE_UPS);
    const due = await this.underLock<LeasedPosition>(takeDue(room, this.options.lease));
    for (const position of due) this.deliver(position);
  }

  /** One message and one transaction. @returns the rows of the last statement */
  private async underLock<Row extends QueryResultRow>(statements: string): Promise<Row[]> {
    const results = await this.dataSource.pool.query(`${LOCK}; ${statements}`);
    return (results as unknown as QueryResult<Row>[]).at(-1)!.rows;
  }

  private deliver(position: LeasedPosition): void {
    const delivery = this.deliverer
      .deliver(position)
      // The lease ends by itself.
      .catch((error: unknown) => this.logger.error({ err: error }, 'a webhook was not handled'))
      .finally(() => {
        this.running.delete(delivery);
        this.nudge();
      });
    this.running.add(delivery);
  }

  private async pause(): Promise<void> {
    if (this.isNudged) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.options.polling);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
