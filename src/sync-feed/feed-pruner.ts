import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DeveloperIdentity } from '../access/caller.js';
import { config } from '../config.js';
import { PeriodicTask } from '../database/periodic-task.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { CHANGES_FEED, FeedClock } from '../feed-clock/feed-clock.js';
import { IS_TOMBSTONE } from './change-event.entity.js';

const DAY = 86_400_000;
const HOUR = 3_600_000;

/** Changes of one transaction: a write of the same developer waits for it, some 20 ms. */
const SLICE = 1_000;

/** Feeds of one query. */
const FEEDS_AT_ONCE = 1_000;

/** $1 user id (exclusive start), $2 maximum */
const NEXT_FEEDS = `
  SELECT user_id AS "userId", developer_id AS "developerId" FROM feeds
  WHERE user_id > $1 ORDER BY user_id LIMIT $2`;

/**
 * SQL: the oldest changes that may go, and what the floor of their feed must be then.
 *
 * A change may go when it and the change that supersedes it are both old: a cursor from then on has seen the
 * later one. Tombstones may go, too: a cursor from then on has seen the deletion.
 *
 * $1 user id, $2 age in ms, $3 maximum
 */
const FIND_PRUNABLE = `
  SELECT array_agg(datetime) AS datetimes, max(gone_at) AS floor
  FROM (
    SELECT datetime, CASE WHEN ${IS_TOMBSTONE} THEN datetime ELSE superseded_at END AS gone_at
    FROM change_events, (SELECT clock_timestamp() - $2 * interval '1 ms' AS oldest) o
    WHERE user_id = $1 AND datetime <= oldest AND (superseded_at <= oldest OR ${IS_TOMBSTONE})
    ORDER BY datetime
    LIMIT $3
  ) prunable`;

interface Prunable {
  /** Null: there are none. */
  datetimes: Date[] | null;
  floor: Date | null;
}

/** First the floor, then the rows: no reader sees a feed with rows missing above its floor. */
const RAISE_FLOOR = `
  UPDATE feeds SET floor = greatest(floor, $2) WHERE user_id = $1 RETURNING ${CHANGES_FEED}`;
const DELETE_CHANGES = 'DELETE FROM change_events WHERE user_id = $1 AND datetime = ANY ($2)';

/**
 * Retention of the feed (FEED_RETENTION_DAYS): at start, then 24 times in its length, at least hourly. Every
 * process prunes; one that comes second finds nothing.
 */
@Injectable()
export class FeedPruner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(FeedPruner.name);
  private readonly age = config.FEED_RETENTION_DAYS && config.FEED_RETENTION_DAYS * DAY;
  private readonly task = new PeriodicTask(
    'feed_retention',
    () => this.prune(this.age!),
    (error) => this.logger.error({ err: error }, 'feeds were not pruned'),
  );

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly feedClock: FeedClock,
  ) {}

  onApplicationBootstrap(): void {
    if (this.age === undefined) return;
    void this.task.run();
    this.task.start(Math.min(this.age / 24, HOUR));
  }

  onModuleDestroy(): Promise<void> {
    return this.task.stop();
  }

  /** @param age in ms */
  private async prune(age: number): Promise<void> {
    let last = 0;
    for (;;) {
      const feeds = await this.dataSource.execute<DeveloperIdentity>(NEXT_FEEDS, [last, FEEDS_AT_ONCE]);
      if (feeds.length === 0) return;
      for (const feed of feeds) while (!this.task.isStopping && (await this.pruneSlice(feed, age)));
      if (this.task.isStopping) return;
      last = feeds.at(-1)!.userId;
    }
  }

  /** @returns whether there may be more */
  private async pruneSlice(feed: DeveloperIdentity, age: number): Promise<boolean> {
    const parameters = [feed.userId, age, SLICE];
    // Without the lock: a feed with nothing to prune disturbs no write.
    const [found] = await this.dataSource.execute<Prunable>(FIND_PRUNABLE, parameters);
    if (found.datetimes === null) return false;
    return this.feedClock.withFeedLock(feed, async (manager) => {
      const [{ datetimes, floor }] = await manager.query<Prunable[]>(FIND_PRUNABLE, parameters);
      if (datetimes === null) return false;
      await manager.query(RAISE_FLOOR, [feed.userId, floor]);
      await manager.query(DELETE_CHANGES, [feed.userId, datetimes]);
      return datetimes.length === SLICE;
    });
  }
}
