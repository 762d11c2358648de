import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { DevelopersService } from '../auth/developers.service.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { boss } from '../jobs/boss.js';
import { forEach } from '../jobs/for-each.js';
import { JobsService } from '../jobs/jobs.service.js';
import { Share } from '../records/share.entity.js';
import { appendChangeEvent } from '../sync-feed/append-change-event.js';
import { Pin } from './pin.entity.js';

export const FOLLOWERS = 'followers';

/** "Something has changed about this item for those who pinned it", or for one of them. */
export interface FollowersJob {
  ownerId: number;
  itemId: number;
  developerId?: number;
}

/** Followers that one job serves; for the rest it sends the next one. At some 5 ms each, far from a job's 30 s. */
const SLICE = 200;

/**
 * Who is behind: has not got every update of the item, or may not read it any more (a share ends with its record).
 *
 * $1 owner, $2 item, $3 one follower or null for all, $4 at most so many
 */
const FIND_BEHIND = `
  SELECT developer_id AS "developerId"
  FROM pins p
  WHERE item_owner_id = $1 AND item_id = $2 AND developer_id <> $1 AND ($3::int IS NULL OR developer_id = $3)
    AND (
      seen < (
        SELECT max(datetime) FROM change_events WHERE feed_id = $1 AND item_id = $2 AND action = 'updated'
      )
      OR NOT EXISTS (
        SELECT FROM shares s WHERE s.owner_id = $1 AND s.item_id = $2 AND s.developer_id = p.developer_id
      )
    )
  ORDER BY developer_id
  LIMIT $4`;

/** The updates of an item that a follower has not got. $1 owner, $2 item, $3 seen */
const FIND_UPDATES = `
  SELECT datetime FROM change_events
  WHERE feed_id = $1 AND item_id = $2 AND action = 'updated' AND datetime > $3
  ORDER BY datetime`;

/**
 * Brings changes of pinned items into the feeds of their followers. A job says only where to look: what is to do follows
 * from the state of the database, so a job that runs twice, late or at the same time as another does no harm, and
 * whichever of a pin and a revocation commits first, the job of the one that commits last sees both.
 *
 * Each follower is a transaction of its own that takes that follower's lock and tick: no transaction touches two
 * libraries, and the position `seen` moves together with the events.
 */
@Injectable()
export class FollowersService implements OnApplicationBootstrap {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly developers: DevelopersService,
    private readonly jobs: JobsService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.jobs.work<FollowersJob>(FOLLOWERS, (job) => this.deliver(job));
  }

  private async deliver(job: FollowersJob): Promise<void> {
    const { ownerId, itemId } = job;
    const parameters = [ownerId, itemId, job.developerId ?? null, SLICE];
    const behind = await this.dataSource.read<{ developerId: number }>(FIND_BEHIND, parameters);
    await forEach(behind, ({ developerId }) =>
      this.developers.exclusively(developerId, (manager) =>
        this.catchUp(manager, { developerId, itemId, itemOwnerId: ownerId }),
      ),
    );
    if (behind.length === SLICE) await boss.send(FOLLOWERS, job);
  }

  private async catchUp(
    manager: EntityManager,
    key: Pick<Pin, 'developerId' | 'itemId' | 'itemOwnerId'>,
  ): Promise<void> {
    const { developerId, itemId, itemOwnerId } = key;
    const pin = await manager.findOneBy(Pin, key);
    if (!pin) return;
    if (!(await manager.existsBy(Share, { ownerId: itemOwnerId, itemId, developerId }))) {
      await manager.remove(Pin, pin);
      return;
    }
    const updates = await manager.query<{ datetime: Date }[]>(FIND_UPDATES, [itemOwnerId, itemId, pin.seen]);
    for (const { datetime } of updates) {
      await appendChangeEvent(manager, {
        feedId: developerId,
        action: 'updated',
        itemType: pin.itemType,
        asset: pin.asset,
        itemId,
        itemUserId: itemOwnerId,
      });
      pin.seen = datetime;
    }
    await manager.save(Pin, pin);
  }
}
