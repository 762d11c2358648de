import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { escapeLiteral } from 'pg';
import type { DeveloperIdentity } from '../access/caller.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { staleIdentity } from '../developers/lock-developer.js';
import { Histories } from '../histories/histories.js';
import type { ApiError } from '../http/api-error.js';
import { FairLimit } from '../http/fair-limit.js';
import { feedLocked } from '../signals/signals.js';

/*
 * The one idea: each feed has a clock, and the clock makes a plain datetime an exact cursor.
 *
 * Every change to a feed takes the next tick of its clock, in the transaction of the change. A tick is the
 * wall clock in whole milliseconds, but at least 1 ms after the last tick. The transaction holds the lock of
 * the feed's row from its first statement until it commits. Hence, within a feed:
 *
 * - The order of ticks is the order of commits. A reader that sees a tick sees all earlier ones.
 * - Ticks are unique. A page that ends at a tick neither loses nor repeats a change.
 * - A wall clock that steps back does not change the order.
 *
 * - After a restore of the database, every tick is later than those that were lost (src/histories).
 *
 * So "all changes with since < datetime <= clock" is exact if the clock was read before the changes or
 * together with them, on the primary or on a replica that lags. The cursor of an answer is that clock, never
 * the wall clock.
 *
 * Feeds of different developers never wait for each other. Above 1,000 changes per second in one feed, each
 * further change moves its clock 1 ms ahead of the wall clock. The wall clock catches up when the burst ends.
 *
 * Every lock, tick and read of a clock uses this folder. Measurements: docs/decisions/0001-feed-clock.md.
 */

/**
 * SQL: marker for the rest of the transaction. Without it, the guard refuses every change of records and feeds
 * (docs/decisions/0015-guard.md).
 */
export const CHANGES_FEED = `set_config('tidemark.changes_feed', 'on', true)`;

/** SQL: the earliest tick of the present history (src/histories): all ticks of lost times are earlier. */
export const FIRST_TICK = `(SELECT max(begins_at) + interval '1 millisecond' FROM histories)`;

/**
 * SQL: takes the next tick of a feed; returns `user_id` and `clock`.
 *
 * clock_timestamp(), not now(): now() is the start of the transaction, before it waited for the lock.
 *
 * @param userId expression
 */
export const tickOf = (userId: string) => `
    UPDATE feeds
    SET clock = greatest(
      date_trunc('milliseconds', clock_timestamp()), clock + interval '1 millisecond', ${FIRST_TICK})
    WHERE user_id = ${userId}
    RETURNING user_id, clock, ${CHANGES_FEED}`;

/** A feed as the statements below return it. */
export interface FeedState {
  user_id: number;
  developer_id: string;
  born: Date;
  clock: Date;
  /** See `Feed`. */
  floor: Date | null;
  erased_from: Date | null;
  /** When the history began that this database is in. A replica may be in an earlier one. */
  history: Date;
}

/** SQL: the `FeedState` of all feeds. */
export const FEEDS = `
  SELECT user_id, developer_id, born, clock, floor, erased_from,
    (SELECT max(begins_at) FROM histories) AS history
  FROM feeds`;

/** SQL: one feed. @param userId expression */
export const feedOf = (userId: string) => `${FEEDS} WHERE user_id = ${userId}`;

/** SQL: the clock of one feed, as a value. @param userId expression */
export const clockOf = (userId: string) => `(SELECT clock FROM feeds WHERE user_id = ${userId})`;

/** SQL: the `FeedState` of several feeds. $1 user ids. Compare `developer_id`: the ids may be stale. */
export const READ_CLOCKS = `${FEEDS} WHERE user_id = ANY ($1)`;

/** The lock of a feed. */
@Injectable()
export class FeedClock {
  /**
   * Two transactions of a feed: one has the lock, the next one is at the database already when that commits. All
   * others wait here, outside of the pool, so that a feed that is locked for long holds up itself alone.
   */
  private readonly writers = new FairLimit({
    name: 'feed_writers',
    total: Infinity,
    share: 2,
    // ms: as long as `lock_timeout`.
    maxWait: 15_000,
    problem: 'Too many writes are waiting for this library.',
  });
  private readonly logger = new Logger(FeedClock.name);
  private readonly afterCommits = new WeakMap<EntityManager, Map<unknown, () => void>>();

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly histories: Histories,
  ) {}

  /**
   * Runs a transaction as the only writer of this developer's library. It takes the lock first, so two
   * writers of one library cannot deadlock.
   *
   * Stale identity: the lock names both ids of the developer. A process that remembers them from before a
   * restore or an erasure finds no row, and never writes to another developer's library.
   *
   * Deadlock: never call it inside a transaction. It needs a second connection, and PGlite has only one.
   *
   * @throws ApiError 503 if the database has no such developer (any more)
   */
  async withFeedLock<T>(
    { userId, developerId }: DeveloperIdentity,
    work: (manager: EntityManager) => Promise<T>,
  ): Promise<T> {
    // NO KEY: the lock of an UPDATE that changes no key, so the tick needs no stronger one.
    const lock = `
      SELECT FROM feeds WHERE user_id = ${Number(userId)} AND developer_id = ${escapeLiteral(developerId)}
      FOR NO KEY UPDATE`;
    const start = performance.now();
    const [result, manager] = await this.writers.run(userId, () =>
      this.dataSource.transactionWithFirstStatement(lock, async (manager, isLocked) => {
        if (!isLocked) throw this.staleIdentity();
        feedLocked.publish({ seconds: (performance.now() - start) / 1_000 });
        return [await work(manager), manager] as const;
      }),
    );
    for (const run of this.afterCommits.get(manager)?.values() ?? [])
      try {
        run();
      } catch (error) {
        // The write is committed: its answer must say so.
        this.logger.error({ err: error }, 'a wake-up has failed');
      }
    return result;
  }

  /**
   * Wake-ups of a transaction of `withFeedLock`: they run once it has committed, and not at all if it fails. A
   * process that dies in between runs none: each needs another net.
   *
   * @param name what is registered twice under a name for one transaction runs once; without one, each time
   */
  afterCommit(manager: EntityManager, run: () => void, name: unknown = run): void {
    const runs = this.afterCommits.get(manager) ?? new Map<unknown, () => void>();
    this.afterCommits.set(manager, runs.set(name, run));
  }

  /** Drops what this process remembers. @returns the error for the request */
  staleIdentity(): ApiError {
    this.histories.forget();
    return staleIdentity();
  }
}
