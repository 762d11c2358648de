import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import PgBoss from 'pg-boss';
import type { EntityManager } from 'typeorm';
import { DatabaseClock } from '../database/database-clock.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { forEach } from './for-each.js';

/** Jobs of one fetch. A worker that gets as many fetches again at once. */
const BATCH = 20;

/** Seconds between two fetches: about as long as a change takes to reach its followers. */
const POLLING = 0.5;

/**
 * Retries without end, every 5 s: giving up would lose the work. Lease: the job of a process that died is
 * free again after 30 s, much longer than any job runs. A job that outlives its lease runs twice; handlers
 * must be idempotent.
 */
const FOR_EVER = { retryLimit: 2 ** 31 - 1, retryDelay: 5, expireInSeconds: 30, retentionDays: 365 };

/**
 * A job may start as soon as it is committed. pg-boss's default is the time at which the transaction began:
 * if the database's clock steps back before the commit, the job would wait for that time. A job that does not
 * start is kept for 1,000 years after `startAfter`.
 */
const AT_ONCE = { startAfter: '1970-01-01T00:00:00Z', retentionDays: 365_000 };

/**
 * In ms. A worker pauses for POLLING less the duration of its last fetch and jobs, by the wall clock of the
 * process. If that clock steps back meanwhile, the pause is longer by the step, unless the worker is woken
 * up.
 */
const LONGEST_PAUSE = 10_000;

/** Durable background jobs: pg-boss, in the schema `pgboss` of our own database. */
@Injectable()
export class JobsService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(JobsService.name);
  /** Statements and jobs that have not ended. */
  private readonly running = new Set<Promise<unknown>>();
  private readonly timers: NodeJS.Timeout[] = [];
  /** Ids of the workers, by queue. */
  private readonly workers = new Map<string, string>();
  private isStopped = false;

  private readonly boss = new PgBoss({
    db: { executeSql: (text, values) => this.execute(text, values) },
    // Seconds between two looks for jobs whose lease has ended.
    maintenanceIntervalSeconds: 5,
    schedule: false,
  });

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    clock: DatabaseClock,
  ) {
    // pg-boss compares retries (`start_after`) and leases (`started_on`) with `now()`, and takes jobs in the
    // order of `created_on`.
    clock.move('pgboss.job', ['created_on', 'start_after', 'started_on'], `state < 'completed'`);
    // Maintenance, which ends leases, is due 5 s after this time.
    clock.move('pgboss.version', ['maintained_on']);
  }

  async onModuleInit(): Promise<void> {
    this.boss.on('error', (error) => this.logger.error(error));
    // It creates or migrates its schema, and would deadlock with another process that does the same.
    await this.dataSource.withStartupLock(() => this.boss.start());
  }

  /**
   * Outbox: sends a job in the caller's transaction. The job exists if and only if that transaction commits.
   */
  async send(manager: EntityManager, queue: string, data: object): Promise<void> {
    const executeSql = async (text: string, values: unknown[]) => ({
      rows: await manager.query(text, values),
    });
    await this.boss.send(queue, data, { ...AT_ONCE, db: { executeSql } });
  }

  /** Sends a job outside any transaction. */
  async sendNow(queue: string, data: object): Promise<void> {
    await this.boss.send(queue, data, AT_ONCE);
  }

  /** Handles the jobs of a queue. Equal jobs of one batch are handled once. */
  async work<Data extends object>(queue: string, handle: (data: Data) => Promise<void>): Promise<void> {
    await this.dataSource.withStartupLock(() => this.boss.createQueue(queue, { name: queue, ...FOR_EVER }));
    const worker = await this.boss.work<Data>(
      queue,
      { batchSize: BATCH, pollingIntervalSeconds: POLLING },
      async (jobs) => {
        if (jobs.length === BATCH) this.boss.notifyWorker(worker);
        const distinct = new Map(jobs.map(({ data }) => [JSON.stringify(data), data]));
        await this.track(forEach(distinct.values(), handle));
      },
    );
    this.workers.set(queue, worker);
    this.timers.push(setInterval(() => this.wake(queue), LONGEST_PAUSE));
  }

  /** There may be a job: this process looks now. Otherwise some process does within POLLING. */
  wake(queue: string): void {
    const worker = this.workers.get(queue);
    if (worker !== undefined && !this.isStopped) this.boss.notifyWorker(worker);
  }

  /** Drain: lets running jobs finish. */
  async onApplicationShutdown(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.boss.stop({ graceful: true, timeout: 20_000 });
    // pg-boss does not wait for a worker that is fetching just now, and that may still find a job.
    while (this.running.size > 0) {
      await Promise.allSettled(this.running);
      // A statement that follows begins in the next turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.isStopped = true;
  }

  private execute(text: string, values: unknown[]): Promise<{ rows: unknown[] }> {
    // The pool is being closed. A job without its end is run again by another process when its lease ends.
    if (this.isStopped) return new Promise(() => {});
    return this.track(this.dataSource.pool.query(text, values));
  }

  private track<T>(work: Promise<T>): Promise<T> {
    const end = () => this.running.delete(work);
    this.running.add(work);
    work.then(end, end);
    return work;
  }
}
