import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Readable } from 'node:stream';
import type { Caller } from '../access/caller.js';
import { turns } from '../access/turns.js';
import { assetFilterOf, assetOf, isAsset, itemTypeOf } from '../api/resource-type.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { DevelopersService } from '../developers/developers.service.js';
import { notFound } from '../http/api-error.js';
import type { Reservation } from '../http/fair-limit.js';
import { IS_READABLE } from './is-readable.js';
import { itemJson } from './item-json.js';
import type { ItemsQuery } from './item.dto.js';
import { smallPage } from './large-page.js';
import { READ_TYPES } from './library-size.js';
import { SyncRecord } from './record.entity.js';
import { frameOf, RecordsService } from './records.service.js';

/** Records with the names of the feed. */
@Injectable()
export class ItemsService {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly records: RecordsService,
    private readonly developers: DevelopersService,
  ) {}

  /**
   * The items of a type in a library, whatever the spelling of their resource types.
   *
   * @param name an item type or its plural, as in `assets` of the feed
   * @param memory of the answer
   * @returns the JSON text of an `ItemPageBody`; a stream if it is large
   * @throws ApiError 403, 404
   */
  async list(
    caller: Caller,
    name: string,
    query: ItemsQuery,
    memory: Reservation,
  ): Promise<string | Readable> {
    if (!isAsset(name)) throw notFound(`There is no type of items ${name}.`);
    const { userId } = await this.developers.named(caller, query.developerId);
    const rows = await turns.run(caller.developer?.userId, () =>
      this.dataSource.execute<{ resourceType: string }>(READ_TYPES, [userId]),
    );
    const assetsOf = new Map(rows.map(({ resourceType: type }) => [type, assetOf(itemTypeOf(type))]));
    const asset = assetFilterOf([name])!.find((wanted) => [...assetsOf.values()].includes(wanted));
    if (asset === undefined) return smallPage(frameOf(query, 0, 'items'), '');
    const resourceTypes = [...assetsOf.keys()].filter((type) => assetsOf.get(type) === asset);
    return this.records.page(caller, { userId, resourceTypes }, query, memory, asset);
  }

  /**
   * The item of an item page: of an own or a shared record; for admins, of any.
   *
   * @returns the JSON text of an `ItemBody`; undefined for none
   */
  async find(
    caller: Caller,
    asset: string,
    itemId: number,
    memory: Reservation,
  ): Promise<string | undefined> {
    if (!isAsset(asset)) return undefined;
    // eslint-disable-next-line no-restricted-syntax -- reads only
    const records = this.dataSource.createQueryBuilder(SyncRecord, 'record');
    const query = records
      .select('record.resource_type', 'resourceType')
      .addSelect(itemJson('record', ':asset::text'), 'body')
      .where('record.item_id = :itemId', { asset, itemId });
    if (!caller.isAdmin) query.andWhere(IS_READABLE, { reader: caller.ownDeveloper().userId });
    const item = await turns.run(caller.developer?.userId, () =>
      query.getRawOne<{ resourceType: string; body: string }>(),
    );
    if (!item || assetOf(itemTypeOf(item.resourceType)) !== asset) return undefined;
    await memory.resize(Buffer.byteLength(item.body));
    return item.body;
  }
}
