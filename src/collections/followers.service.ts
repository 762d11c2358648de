import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { type EntityManager, MoreThan } from 'typeorm';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { FeedClock } from '../feed-clock/feed-clock.js';
import { forEach } from '../jobs/for-each.js';
import { JobsService } from '../jobs/jobs.service.js';
import { Share } from '../records/share.entity.js';
import { ChangeEvent } from '../sync-feed/change-event.entity.js';
import { FeedWriter } from '../sync-feed/feed-writer.js';
import { Pin } from './pin.entity.js';

export const FOLLOWERS = 'followers';

/** "This item has changed for its followers", or for one of them. */
export interface FollowersJob {
  itemUserId: number;
  itemId: number;
  /** Undefined: all followers. */
  followerUserId?: number;
}

/** Followers that one job serves; the next job serves the rest. At some 5 ms each, far from a job's lease of 30 s. */
const SLICE = 200;

/**
 * Followers that are behind: they have not got every update of the item, or may not read it any more (a share ends
 * with its record).
 *
 * $1 owner of the item, $2 item, $3 one follower or null for all, $4 at most so many
 */
const FIND_BEHIND = `
  SELECT user_id AS "userId"
  FROM pins p
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
 * Delivers changes of pinned items into the feeds of their followers.
 *
 * Idempotent: a job says only where to look. The work follows from the state of the database, so a job that runs twice,
 * late or at the same time as another does no harm. Of a pin and a revocation, the job of the one that commits last
 * sees both.
 *
 * Each follower is a transaction of its own with that follower's lock and tick: no transaction touches two libraries,
 * and the position `seen` moves together with the events.
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

  private async deliver(job: FollowersJob): Promise<void> {
    const { itemUserId, itemId, followerUserId = null } = job;
    const behind = await this.dataSource.execute<{ userId: number }>(FIND_BEHIND, [
      itemUserId,
      itemId,
      followerUserId,
      SLICE,
    ]);
    await forEach(behind, ({ userId }) =>
      this.feedClock.withFeedLock(userId, (manager) => this.catchUp(manager, { userId, itemId, itemUserId })),
    );
    if (behind.length === SLICE) await this.jobs.sendNow(FOLLOWERS, job);
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
