import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { config } from '../config.js';
import { PeriodicTask } from '../database/periodic-task.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { FeedClock, type FeedState, READ_CLOCKS } from '../feed-clock/feed-clock.js';
import { Histories } from '../histories/histories.js';
import { Notifications } from './notifications.js';

/** ms between two sweeps; each takes some 30 ms of the database for 10,000 feeds. */
const SWEEP = 5_000;

/** ms between two sweeps while no notification of another process can be heard. */
const SWEEP_ALONE = 1_000;

/** Feeds of one statement. */
const SLICE = 1_000;

/** A request that waits for the next change of a feed. */
export interface FeedWaiter {
  readonly userId: number;
  /** Clock of the feed that it has seen, in ms since 1970. */
  readonly seen: number;
  /** The feed may have changed: read it again. */
  wake: () => void;
}

/**
 * Wakes what waits for changes of feeds. Three sources, the fastest first: commits of this process, notifications
 * of the others, and a sweep of the clocks of all waited-for feeds, the safety net.
 *
 * A wake-up only says when to read: the read decides what there is. One that comes for nothing costs a read, and a
 * lost one costs 5 s.
 */
@Injectable()
export class FeedWakeUps implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(FeedWakeUps.name);
  private readonly waiters = new Map<number, Set<FeedWaiter>>();
  private readonly notifications: Notifications;
  private sweptAt = -Infinity;
  private readonly task = new PeriodicTask(
    'wake_ups',
    () => this.look(),
    (error) => this.logger.warn({ err: error }, 'changes of other processes are late'),
  );

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly feedClock: FeedClock,
    histories: Histories,
  ) {
    this.notifications = new Notifications(dataSource, (userIds) => userIds.forEach((id) => this.wake(id)));
    histories.onNewHistory(() => {
      // A cursor may be lost: its request says so.
      for (const userId of [...this.waiters.keys()]) this.wake(userId);
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    // The embedded database has no other process: its commits are all that there is.
    if (config.DATABASE_URL === undefined) return;
    await this.task.run();
    this.task.start(SWEEP_ALONE);
  }

  async onModuleDestroy(): Promise<void> {
    await this.task.stop();
    await this.notifications.end();
  }

  /** A transaction changes a feed: wakes what waits for it, here and in the other processes, after the commit. */
  change(manager: EntityManager, userId: number): void {
    const announce = () => {
      this.wake(userId);
      this.notifications.send(userId);
    };
    this.feedClock.afterCommit(manager, announce, FeedWakeUps.name);
  }

  /** Lost wake-up: call it before the read that decides whether to wait. @returns ends it */
  add(waiter: FeedWaiter): () => void {
    const { userId } = waiter;
    const waiters = this.waiters.get(userId) ?? new Set();
    this.waiters.set(userId, waiters.add(waiter));
    return () => {
      if (waiters.delete(waiter) && waiters.size === 0) this.waiters.delete(userId);
    };
  }

  private wake(userId: number): void {
    for (const waiter of this.waiters.get(userId) ?? []) waiter.wake();
  }

  private async look(): Promise<void> {
    if (this.notifications.isListening && performance.now() - this.sweptAt < SWEEP) return;
    const isListening = this.notifications.keepUp();
    // After LISTEN: what was notified before was not heard.
    await isListening.catch(() => {});
    await this.sweep();
    await isListening;
  }

  private async sweep(): Promise<void> {
    const ids = [...this.waiters.keys()];
    for (let i = 0; i < ids.length; i += SLICE) {
      const slice = ids.slice(i, i + SLICE);
      const feeds = await this.dataSource.execute<FeedState>(READ_CLOCKS, [slice]);
      const clocks = new Map(feeds.map(({ user_id, clock }) => [user_id, clock.getTime()]));
      for (const userId of slice)
        for (const waiter of this.waiters.get(userId) ?? [])
          if (waiter.seen !== clocks.get(userId)) waiter.wake();
    }
    this.sweptAt = performance.now();
  }
}
