import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { Caller } from '../auth/caller.js';
import { DevelopersService } from '../auth/developers.service.js';
import { forbidden, notFound } from '../common/api-error.js';
import type { PageQuery } from '../common/page.dto.js';
import { sendJob } from '../jobs/boss.js';
import { itemBodyOf } from '../records/item.dto.js';
import { SyncRecord } from '../records/record.entity.js';
import { RecordsService } from '../records/records.service.js';
import { assetOf, itemTypeOf } from '../records/resource-type.js';
import { Share } from '../records/share.entity.js';
import { pinnedCollectionOf } from './collection.js';
import type { CollectionPageBody, CollectionsBody, CollectionsQuery } from './collection.dto.js';
import { FOLLOWERS } from './followers.service.js';
import { Pin } from './pin.entity.js';

/** The `pinned` collection of each developer. Its writers hold the lock of the developer who pins. */
@Injectable()
export class CollectionsService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly records: RecordsService,
    private readonly developers: DevelopersService,
  ) {}

  /** @throws ApiError 403 for a record that the caller's developer may not read, 404 */
  async pin(caller: Caller, recordId: string): Promise<void> {
    const developer = caller.ownDeveloper();
    await this.developers.exclusively(developer.id, async (manager) => {
      // As the developer, not as an admin: what a developer may not read could not be followed either.
      const record = await this.findReadable(manager, developer.id, recordId);
      const { itemId, ownerId } = record;
      if (await manager.existsBy(Pin, { developerId: developer.id, itemId })) return;
      const itemType = itemTypeOf(record.resourceType);
      await manager.insert(Pin, {
        developerId: developer.id,
        itemId,
        itemOwnerId: ownerId,
        itemType,
        asset: assetOf(itemType),
        seen: record.updatedAt,
      });
      // What happens to the record or its share before this commits, nobody but this job can see together with the pin.
      if (ownerId !== developer.id)
        await sendJob(manager, FOLLOWERS, { ownerId, itemId, developerId: developer.id });
    });
  }

  /** @throws ApiError 403, 404 */
  async unpin(caller: Caller, recordId: string): Promise<void> {
    const developer = caller.ownDeveloper();
    await this.developers.exclusively(developer.id, async (manager) => {
      const record = await manager.findOneBy(SyncRecord, { id: recordId });
      const pin =
        record && (await manager.findOneBy(Pin, { developerId: developer.id, itemId: record.itemId }));
      if (pin) await manager.remove(Pin, pin);
      else await this.findReadable(manager, developer.id, recordId);
    });
  }

  /** @throws ApiError 403, 404 */
  async list(caller: Caller, { developerId }: CollectionsQuery): Promise<CollectionsBody> {
    if (developerId !== undefined) caller.assertActsFor(developerId);
    const developer =
      developerId === undefined ? caller.ownDeveloper() : await this.developers.find(developerId);
    if (!developer) throw notFound(`There is no developer ${developerId}.`);
    return { collections: [pinnedCollectionOf(developer.id)] };
  }

  /**
   * A page of a collection, in the order of pinning. An item whose share has just ended is not in it any more, even
   * while its `removed` is still on the way.
   *
   * @throws ApiError 403, 404
   */
  async get(caller: Caller, id: number, { limit, page }: PageQuery): Promise<CollectionPageBody> {
    if (id !== caller.developer?.id) {
      if (!(await this.developers.exists(id))) throw notFound(`There is no collection ${id}.`);
      if (!caller.isAdmin) throw forbidden(`You have no access to collection ${id}.`);
    }
    const [records, total] = await this.dataSource
      .createQueryBuilder(SyncRecord, 'record')
      .innerJoin(Pin, 'pin', 'pin.itemOwnerId = record.ownerId AND pin.itemId = record.itemId')
      .where('pin.developerId = :id')
      .andWhere((query) => {
        const share = query
          .subQuery()
          .from(Share, 'share')
          .select('1')
          .where(
            'share.ownerId = record.ownerId AND share.itemId = record.itemId AND share.developerId = :id',
          );
        return `(record.ownerId = :id OR EXISTS ${share.getQuery()})`;
      })
      .setParameters({ id })
      .orderBy('pin.pinnedAt')
      .limit(limit)
      .offset((page - 1) * limit)
      .getManyAndCount();
    return { collection: pinnedCollectionOf(id), total, page, limit, items: records.map(itemBodyOf) };
  }

  private async findReadable(manager: EntityManager, developerId: number, id: string): Promise<SyncRecord> {
    const record = await manager.findOneBy(SyncRecord, { id });
    return this.records.assertReadable(manager, developerId, record, `record ${id}`);
  }
}
