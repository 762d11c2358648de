import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Readable } from 'node:stream';
import { DataSource, type EntityManager } from 'typeorm';
import { config } from '../config.js';
import type { Caller } from '../access/caller.js';
import { ALL_TURNS, turns } from '../access/turns.js';
import { DevelopersService } from '../developers/developers.service.js';
import { notFound } from '../http/api-error.js';
import type { Reservation } from '../http/fair-limit.js';
import type { PageQuery } from '../api/page.dto.js';
import { FeedClock } from '../feed-clock/feed-clock.js';
import { IS_READABLE } from '../records/is-readable.js';
import { ITEM_COPIES, itemJson } from '../records/item-json.js';
import { largePage, type PageEntry } from '../records/large-page.js';
import { noRecord } from '../records/record-errors.js';
import { SyncRecord } from '../records/record.entity.js';
import { RecordsService } from '../records/records.service.js';
import { assetOf, itemTypeOf } from '../api/resource-type.js';
import { pinnedCollectionOf } from '../sync-feed/pinned-collection.js';
import type { CollectionsBody, CollectionsQuery } from './collection.dto.js';
import { FollowersService } from './followers.service.js';
import { Pin } from './pin.entity.js';

/** The `pinned` collection of each developer. The writes hold the lock of that developer's feed. */
@Injectable()
export class CollectionsService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly records: RecordsService,
    private readonly developers: DevelopersService,
    private readonly feedClock: FeedClock,
    private readonly followers: FollowersService,
  ) {}

  /** Idempotent. @throws ApiError 403 for the admin key of the settings, 404 */
  async pin(caller: Caller, recordId: string): Promise<void> {
    const developer = caller.ownDeveloper();
    const { userId } = developer;
    await this.feedClock.withFeedLock(developer, async (manager) => {
      // Checks the right of the developer, not of the admin: a developer cannot follow an unreadable record.
      const record = await this.findReadable(manager, userId, recordId);
      const { itemId, userId: itemUserId } = record;
      if (await manager.existsBy(Pin, { userId, itemId })) return;
      const itemType = itemTypeOf(record.resourceType);
      await manager.insert(Pin, {
        userId,
        itemId,
        itemUserId,
        itemType,
        asset: assetOf(itemType),
        seen: record.updatedAt,
      });
      // Race: the record or its share may change before this commits. Only a job that runs later sees both.
      if (itemUserId !== userId)
        await this.followers.send(manager, { itemUserId, itemId, followerUserId: userId });
    });
  }

  /** Idempotent. @throws ApiError 403 for the admin key of the settings, 404 */
  async unpin(caller: Caller, recordId: string): Promise<void> {
    const developer = caller.ownDeveloper();
    const { userId } = developer;
    await this.feedClock.withFeedLock(developer, async (manager) => {
      const pin = await manager
        .createQueryBuilder(Pin, 'pin')
        .innerJoin(SyncRecord, 'record', 'record.userId = pin.itemUserId AND record.itemId = pin.itemId')
        .where('record.id = :recordId AND pin.userId = :userId', { recordId, userId })
        .getOne();
      if (pin) await manager.remove(Pin, pin);
      else await this.findReadable(manager, userId, recordId);
    });
  }

  /** @throws ApiError 403, 404 */
  async list(caller: Caller, { developerId, limit, page }: CollectionsQuery): Promise<CollectionsBody> {
    const { userId } = await this.developers.named(caller, developerId);
    const collections = page === 1 ? [pinnedCollectionOf(userId, config.PUBLIC_URL)] : [];
    return { total: 1, page, limit, collections };
  }

  /**
   * A page of a collection, in the order of pinning. An item whose share has ended is not in it, even if its
   * `removed` event is still pending.
   *
   * @param memory of the answer
   * @returns the JSON text of a `CollectionPageBody`; a stream if it is large
   * @throws ApiError 404, also for the collection of another developer
   */
  async get(
    caller: Caller,
    id: number,
    { limit, page }: PageQuery,
    memory: Reservation,
  ): Promise<string | Readable> {
    const own = caller.developer?.userId;
    if (id !== own && !(caller.isAdmin && (await this.developers.exists(id))))
      throw notFound(`There is no collection ${id}.`);
    const query = this.itemsOf(id);
    const [total, entries] = await turns.run(own, async () => [
      await query.getCount(),
      await query
        .select('record.id', 'id')
        .addSelect(`${ITEM_COPIES} * record.bytes`, 'bytes')
        .orderBy('pin.pinnedAt')
        .limit(limit)
        .offset((page - 1) * limit)
        .getRawMany<PageEntry>(),
    ]);
    const envelope = { collection: pinnedCollectionOf(id, config.PUBLIC_URL), total, page, limit };
    return largePage(
      { envelope, list: 'items' },
      entries,
      (ids) => turns.run(own, () => this.readItems(id, ids), ALL_TURNS),
      memory,
    );
  }

  /** Items of a collection that its developer may read. */
  private itemsOf(id: number) {
    return this.dataSource
      .createQueryBuilder(SyncRecord, 'record')
      .innerJoin(Pin, 'pin', 'pin.itemUserId = record.userId AND pin.itemId = record.itemId')
      .where('pin.userId = :reader', { reader: id })
      .andWhere(IS_READABLE);
  }

  private async readItems(id: number, recordIds: string[]): Promise<string[]> {
    const rows = await this.itemsOf(id)
      .andWhere('record.id IN (:...recordIds)', { recordIds })
      .select('record.id', 'id')
      .addSelect(itemJson('record', 'pin.asset'), 'body')
      .getRawMany<{ id: string; body: string }>();
    const items = new Map(rows.map(({ id: recordId, body }) => [recordId, body]));
    return recordIds.flatMap((recordId) => items.get(recordId) ?? []);
  }

  private async findReadable(manager: EntityManager, userId: number, id: string): Promise<SyncRecord> {
    const record = await this.records.findReadable(manager, userId, { id });
    if (!record) throw noRecord(id);
    return record;
  }
}
