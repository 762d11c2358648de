import {
  type EntityManager,
  type EntitySubscriberInterface,
  EventSubscriber,
  type RemoveEvent,
  type UpdateEvent,
} from 'typeorm';
import { sendJob } from '../jobs/boss.js';
import { SyncRecord } from '../records/record.entity.js';
import { Share } from '../records/share.entity.js';
import { FOLLOWERS, type FollowersJob } from './followers.service.js';
import { Pin } from './pin.entity.js';

const send = (manager: EntityManager, job: FollowersJob) => sendJob(manager, FOLLOWERS, job);

/**
 * Sends the changes of a shared record on their way to those who pinned it: one job in the owner's transaction, however
 * many they are. Whether the record is shared is exact, because shares change under the same lock; whether it is
 * pinned is not, because pins belong to other libraries.
 *
 * The hooks are those that RecordChangeSubscriber leaves free: hooks of one moment run at the same time, and a
 * connection can do only one thing at a time.
 */
@EventSubscriber()
export class FollowedRecordSubscriber implements EntitySubscriberInterface<SyncRecord> {
  listenTo() {
    return SyncRecord;
  }

  async afterUpdate({ manager, entity }: UpdateEvent<SyncRecord>): Promise<void> {
    const { ownerId, itemId, isShared } = entity as SyncRecord;
    if (isShared) await send(manager, { ownerId, itemId });
  }

  async beforeRemove({ manager, databaseEntity }: RemoveEvent<SyncRecord>): Promise<void> {
    const { ownerId, itemId, isShared } = databaseEntity;
    if (isShared) await send(manager, { ownerId, itemId });
    const own = await manager.findOneBy(Pin, { developerId: ownerId, itemId });
    if (own) await manager.remove(Pin, own);
  }
}

/** The end of a share takes the item out of the collection of the one who pinned it. */
@EventSubscriber()
export class RevokedShareSubscriber implements EntitySubscriberInterface<Share> {
  listenTo() {
    return Share;
  }

  async beforeRemove({ manager, databaseEntity }: RemoveEvent<Share>): Promise<void> {
    const { ownerId, itemId, developerId } = databaseEntity;
    await send(manager, { ownerId, itemId, developerId });
  }
}
