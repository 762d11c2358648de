import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { boss, connectJobs } from './boss.js';
import { forEach } from './for-each.js';

/** Jobs that one fetch takes. A worker that got so many fetches again at once. */
const BATCH = 20;

/** How often a process looks for jobs, in seconds: about as long as a change takes to reach its followers. */
const POLLING = 0.5;

/**
 * A job is tried for ever, every 5 s: giving up would lose what it stands for. One whose process died is free for
 * others after 30 s, which is much longer than any job runs; should one run longer, it runs twice, which jobs must
 * stand anyway.
 */
const FOR_EVER = { retryLimit: 2 ** 31 - 1, retryDelay: 5, expireInSeconds: 30, retentionDays: 365 };

/** Starts and stops the workers of this process. */
@Injectable()
export class JobsService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(JobsService.name);
  /** Queries and jobs that have not come to their end. */
  private readonly running = new Set<Promise<unknown>>();

  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  async onModuleInit(): Promise<void> {
    connectJobs((text, values) => this.track(this.dataSource.pool.query(text, values)));
    boss.on('error', (error) => this.logger.error(error));
    // Makes or updates its schema, and would deadlock with another process that does the same.
    await this.dataSource.exclusively(() => boss.start());
  }

  /** Handles the jobs of a queue, equal ones of a batch once. */
  async work<Data extends object>(queue: string, handle: (data: Data) => Promise<void>): Promise<void> {
    await this.dataSource.exclusively(() => boss.createQueue(queue, { name: queue, ...FOR_EVER }));
    const worker = await boss.work<Data>(
      queue,
      { batchSize: BATCH, pollingIntervalSeconds: POLLING },
      async (jobs) => {
        if (jobs.length === BATCH) boss.notifyWorker(worker);
        const distinct = new Map(jobs.map(({ data }) => [JSON.stringify(data), data]));
        await this.track(forEach(distinct.values(), handle));
      },
    );
  }

  /** Lets running jobs finish. */
  async onApplicationShutdown(): Promise<void> {
    await boss.stop({ graceful: true, timeout: 20_000 });
    // It does not wait for a worker that is just looking for jobs, and that may still find one.
    while (this.running.size > 0) {
      await Promise.allSettled(this.running);
      // What comes next of it has begun by then.
      await new Promise((resolve) => setImmediate(resolve));
    }
    // The database is being closed: what should still come, nobody hears of, and a job of it is run again by others.
    connectJobs(() => new Promise(() => {}));
  }

  private track<T>(work: Promise<T>): Promise<T> {
    const end = () => this.running.delete(work);
    this.running.add(work);
    work.then(end, end);
    return work;
  }
}
