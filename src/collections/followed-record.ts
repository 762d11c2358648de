import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { SyncRecord } from '../records/record.entity.js';
import { RecordChangeSubscriber } from '../sync-feed/record-change.subscriber.js';
import { FollowersService } from './followers.service.js';
import { Pin } from './pin.entity.js';

/**
 * Fan-out: a change of a shared record sends one job in the owner's transaction, for any number of followers.
 * `isShared` is exact, because shares change under the same lock. Pins are not checked, because they change
 * under the locks of other libraries.
 */
@Injectable()
export class FollowedRecord {
  constructor(
    changes: RecordChangeSubscriber,
    private readonly followers: FollowersService,
  ) {
    changes.beforeEvent((manager, action, record) => this.onChange(manager, action, record));
  }

  private async onChange(
    manager: EntityManager,
    action: 'updated' | 'deleted',
    { userId, itemId, isShared }: SyncRecord,
  ): Promise<void> {
    if (isShared) await this.followers.send(manager, { itemUserId: userId, itemId });
    if (action !== 'deleted') return;
    // The owner's pin ends first: `removed` comes before `deleted` in the feed.
    const own = await manager.findOneBy(Pin, { userId, itemId });
    if (own) await manager.remove(Pin, own);
  }
}
