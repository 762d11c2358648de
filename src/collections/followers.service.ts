import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { type EntityManager, MoreThan } from 'typeorm';
import type { DeveloperIdentity } from '../access/caller.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { FeedClock } from '../feed-clock/feed-clock.js';
import { forEach } from '../jobs/for-each.js';
import { JobsService } from '../jobs/jobs.service.js';
import { Share } from '../records/share.entity.js';
import { ChangeEvent } from '../sync-feed/change-event.entity.js';
import { FeedWriter } from '../sync-feed/feed-writer.js';
import { Pin } from './pin.entity.js';

const FOLLOWERS = 'followers';

/** An item has changed, for all followers or for one. */
export interface FollowersJob {
  itemUserId: number;
  itemId: number;
  /** Undefined: all followers. */
  followerUserId?: number;
}

/**
 * Followers per job; the next job serves the rest. About 5 ms each: 1 s in all, far below the lease of 30 s.
 */
const BATCH_SIZE = 200;

/**
 * SQL: followers that lag behind: without the latest update of the item, or without a share of it (a share
 * ends with its record).
 *
 * $1 owner of the item, $2 item, $3 one follower or null for all, $4 maximum number of followers
 */
const FIND_BEHIND = `
  SELECT user_id AS "userId", developer_id AS "developerId"
  FROM pins p
  JOIN developers d USING (user_id)
  WHERE item_user_id = $1 AND item_id = $2 AND user_id <> $1 AND ($3::int IS NULL OR user_id = $3)
    AND (
      seen < (
        SELECT max(datetime) FROM change_events WHERE user_id = $1 AND item_id = $2 AND action = 'updated'
      )
      OR NOT EXISTS (
        SELECT FROM shares s WHERE s.user_id = $1 AND s.item_id = $2 AND s.reader_user_id = p.user_id
      )
    )
  ORDER BY user_id
  LIMIT $4`;

/**
 * Delivers changes of pinned items to the feeds of their followers.
 *
 * Idempotent: a job only names an item, and its work depends on the state of the database. So a job may run
 * twice, late, or at the same time as another one. After a pin and a concurrent revocation, the job of the
 * last commit sees both.
 *
 * Each follower has its own transaction, with the lock and the tick of its own feed. So no transaction
 * touches two libraries, and the position `seen` moves together with the events.
 */
@Injectable()
export class FollowersService implements OnApplicationBootstrap {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly feedClock: FeedClock,
    private readonly feed: FeedWriter,
    private readonly jobs: JobsService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.jobs.work<FollowersJob>(FOLLOWERS, (job) => this.deliver(job));
  }

  /** Outbox: sends a job in the transaction of a change, and wakes the worker after its commit. */
  async send(manager: EntityManager, job: FollowersJob): Promise<void> {
    await this.jobs.send(manager, FOLLOWERS, job);
    this.feedClock.afterCommit(manager, () => this.jobs.wake(FOLLOWERS), FOLLOWERS);
  }

  private async deliver(job: FollowersJob): Promise<void> {
    const { itemUserId, itemId, followerUserId = null } = job;
    const behind = await this.dataSource.execute<DeveloperIdentity>(FIND_BEHIND, [
      itemUserId,
      itemId,
      followerUserId,
      BATCH_SIZE,
    ]);
    await forEach(behind, (follower) =>
      this.feedClock.withFeedLock(follower, (manager) =>
        this.catchUp(manager, { userId: follower.userId, itemId, itemUserId }),
      ),
    );
    if (behind.length === BATCH_SIZE) await this.jobs.sendNow(FOLLOWERS, job);
  }

  private async catchUp(
    manager: EntityManager,
    key: Pick<Pin, 'userId' | 'itemId' | 'itemUserId'>,
  ): Promise<void> {
    const { userId, itemId, itemUserId } = key;
    const pin = await manager.findOneBy(Pin, key);
    if (!pin) return;
    if (!(await manager.existsBy(Share, { userId: itemUserId, itemId, readerUserId: userId }))) {
      await manager.remove(Pin, pin);
      return;
    }
    const { itemType, asset } = pin;
    const updates = await manager.find(ChangeEvent, {
      select: { userId: true, datetime: true },
      where: { userId: itemUserId, itemId, action: 'updated', datetime: MoreThan(pin.seen) },
      order: { datetime: 'ASC' },
    });
    for (const { datetime } of updates) {
      await this.feed.append(manager, { userId, action: 'updated', itemType, asset, itemId, itemUserId });
      pin.seen = datetime;
    }
    await manager.save(Pin, pin);
  }
}
