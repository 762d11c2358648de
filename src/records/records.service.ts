import { Injectable } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, type QueryDeepPartialEntity, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Readable } from 'node:stream';
import type { Caller } from '../access/caller.js';
import { ALL_TURNS, turns } from '../access/turns.js';
import { DevelopersService } from '../developers/developers.service.js';
import type { PageQuery } from '../api/page.dto.js';
import type { ApiError } from '../http/api-error.js';
import { assertIfMatch } from '../http/etag.js';
import type { Reservation } from '../http/fair-limit.js';
import { FeedClock } from '../feed-clock/feed-clock.js';
import { coalesce } from '../database/coalesce.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { violates } from '../database/violates.js';
import { IS_READABLE } from './is-readable.js';
import { JsonColumn } from './json-column.js';
import { foreignRecord, noRecord, RECORD_EXISTS } from './record-errors.js';
import { largePage, type PageFrame, smallPage } from './large-page.js';
import { assertQuota } from './library-size.js';
import {
  type PageFilter,
  READ_LARGE_ITEMS,
  READ_LARGE_RECORDS,
  READ_RECORDS,
  readPage,
  type StoredPage,
  type StoredRecord,
} from './read-records.js';
import type { CreateRecordDto, RecordsQuery, UpdateRecordDto } from './record.dto.js';
import { etagOf, RECORD_KEY, SyncRecord } from './record.entity.js';
import { updateWhole } from './update-whole.js';
import { Share } from './share.entity.js';

/** Records before a page from which on it is a heavy read: each costs some 0.1 µs in an index. */
const FAR = 10_000;

/**
 * The only writer of `records`. Each write is one transaction. It takes the lock of the owner's feed before
 * it touches the record, and RecordChangeSubscriber (src/sync-feed) adds the change event to it.
 */
@Injectable()
export class RecordsService {
  /** At most 32 ids per query: a record may have 1 MiB. */
  private readonly stored = coalesce<string, StoredRecord | undefined>((ids) => this.readRecords(ids), 32);

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(SyncRecord) private readonly records: Repository<SyncRecord>,
    private readonly developers: DevelopersService,
    private readonly feedClock: FeedClock,
  ) {}

  /** @param memory of the answer @returns the JSON text of a `RecordPageBody`; a stream if it is large */
  async list(caller: Caller, query: RecordsQuery, memory: Reservation): Promise<string | Readable> {
    const { developerId, resourceType, status } = query;
    if (developerId !== undefined) caller.assertActsFor(developerId);
    let owner = caller.isAdmin ? undefined : caller.developer;
    if (caller.isAdmin && developerId !== undefined) {
      owner = await this.developers.find(developerId);
      if (!owner) return smallPage(frameOf(query, 0, 'data'), '');
    }
    const resourceTypes = resourceType === undefined ? undefined : [resourceType];
    return this.page(caller, { userId: owner?.userId, resourceTypes, status }, query, memory);
  }

  /** A page of records, or of items. @param asset of items; undefined: records */
  async page(
    caller: Caller,
    filter: PageFilter,
    query: PageQuery,
    memory: Reservation,
    asset?: string,
  ): Promise<string | Readable> {
    const { limit, page } = query;
    const reader = caller.developer?.userId;
    const [sql, parameters] = readPage(filter, limit, (page - 1) * limit, asset);
    const read = () => this.dataSource.execute<StoredPage>(sql, parameters);
    const weight = page * limit > FAR ? ALL_TURNS : 1;
    const [{ total, records, entries }] = await turns.run(reader, read, weight);
    const frame = frameOf(query, total, asset === undefined ? 'data' : 'items');
    if (entries) {
      const readLarge = (ids: string[]) => turns.run(reader, () => this.readLarge(ids, asset), ALL_TURNS);
      return largePage(frame, entries, readLarge, memory);
    }
    const text = smallPage(frame, records ?? '');
    await memory.resize(Buffer.byteLength(text));
    return text;
  }

  /** JSON texts of records by id; those that are gone are left out. @param asset of items; undefined: records */
  private async readLarge(ids: string[], asset?: string): Promise<string[]> {
    const rows = await (asset === undefined
      ? this.dataSource.execute<StoredRecord>(READ_LARGE_RECORDS, [ids])
      : this.dataSource.execute<StoredRecord>(READ_LARGE_ITEMS, [ids, asset]));
    const texts = new Map(rows.map(({ id, body }) => [id, body!]));
    return ids.flatMap((id) => texts.get(id) ?? []);
  }

  /**
   * @param memory of the answer
   * @returns the JSON text of a `RecordBody`, and its ETag
   * @throws ApiError 403 for another developer's record that is not shared, 404
   */
  async get(caller: Caller, id: string, memory: Reservation): Promise<{ etag: string; body: string }> {
    const record = await this.stored.load(id);
    if (!record) throw noRecord(id);
    if (!caller.isAdmin && caller.developer?.userId !== record.userId)
      await turns.run(caller.developer?.userId, () => this.assertShared(caller, record));
    const { updatedAt, body } = record.body === null ? await this.getLarge(caller, record, memory) : record;
    return { etag: etagOf(updatedAt), body: body! };
  }

  /** @throws ApiError 403, 404 */
  private async assertShared(caller: Caller, { id, userId, itemId }: StoredRecord): Promise<void> {
    const readerUserId = caller.developer?.userId;
    if (await this.dataSource.manager.existsBy(Share, { userId, itemId, readerUserId })) return;
    // Race: a deletion that commits between the two reads deletes the shares, too. It is a 404, not a 403.
    if (!(await this.records.existsBy({ userId, itemId }))) throw noRecord(id);
    throw foreignRecord(id);
  }

  private async getLarge(caller: Caller, { id, bytes }: StoredRecord, memory: Reservation) {
    await memory.resize(3 * bytes);
    const [record] = await turns.run(caller.developer?.userId, () =>
      this.dataSource.execute<StoredRecord | undefined>(READ_LARGE_RECORDS, [[id]]),
    );
    return record ?? Promise.reject(noRecord(id));
  }

  /** A record of the caller's library; for admins, of any library. @throws ApiError 404 */
  async getOwn(caller: Caller, id: string): Promise<SyncRecord> {
    const owner = caller.isAdmin ? {} : { userId: caller.ownDeveloper().userId };
    const record = await this.records.findOneBy({ id, ...owner });
    if (!record) throw noRecord(id);
    return record;
  }

  /** @throws ApiError 403 for another developer's library, 409 for a key that exists already */
  async create(caller: Caller, dto: CreateRecordDto): Promise<SyncRecord> {
    caller.assertActsFor(dto.developerId);
    const owner = await this.developers.findOrCreate(dto.developerId);
    // Prototype pollution: TypeORM's `create()` would copy `data` and lose a member `__proto__`.
    const record = Object.assign(new SyncRecord(), {
      userId: owner.userId,
      id: uuidv7(),
      developerId: dto.developerId,
      resourceType: dto.resourceType,
      resourceKey: dto.resourceKey,
      data: new JsonColumn(dto.data),
      metadata: new JsonColumn(dto.metadata ?? {}),
      status: dto.status ?? 'ACTIVE',
      lastSyncedAt: null,
    } satisfies Partial<SyncRecord>);
    try {
      await this.feedClock.withFeedLock(owner, async (manager) => {
        await assertQuota(manager, owner.userId, () => ({
          records: 1,
          bytes: record.data.bytes + record.metadata.bytes,
        }));
        await manager.insert(SyncRecord, record as QueryDeepPartialEntity<SyncRecord>);
      });
    } catch (error) {
      throw violates(error, RECORD_KEY) ? RECORD_EXISTS : error;
    }
    return record;
  }

  /** @throws ApiError 403, 404, 412 */
  async update(caller: Caller, id: string, dto: UpdateRecordDto, ifMatch?: string): Promise<SyncRecord> {
    const change = async (manager: EntityManager, record: SyncRecord) => {
      assertIfMatch(ifMatch, record.etag);
      const { data = record.data.value, status = record.status, metadata = record.metadata.value } = dto;
      const changes = { data: new JsonColumn(data), status, metadata: new JsonColumn(metadata) };
      // Idempotent: without a change there is no write and no event.
      if (
        status === record.status &&
        changes.data.equals(record.data) &&
        changes.metadata.equals(record.metadata)
      )
        return record;
      const sizeOf = (of: typeof changes) => of.data.bytes + of.metadata.bytes;
      await assertQuota(manager, record.userId, () => ({
        records: 0,
        bytes: sizeOf(changes) - sizeOf(record),
      }));
      return updateWhole(manager, Object.assign(record, changes));
    };
    return this.withRecord(caller, id, change, foreignRecord);
  }

  /** @throws ApiError 403, 404, 412 */
  async remove(caller: Caller, id: string, ifMatch?: string): Promise<void> {
    const removal = async (manager: EntityManager, record: SyncRecord) => {
      assertIfMatch(ifMatch, record.etag);
      await manager.remove(SyncRecord, record);
    };
    await this.withRecord(caller, id, removal, foreignRecord);
  }

  /**
   * Runs a transaction on a record of the caller's library (for admins, of any), as its only writer.
   *
   * @param whenForeign the error for a record of another developer
   * @throws ApiError 404, `whenForeign`
   */
  async withRecord<T>(
    caller: Caller,
    id: string,
    work: (manager: EntityManager, record: SyncRecord) => Promise<T>,
    whenForeign: (id: string) => ApiError = noRecord,
  ): Promise<T> {
    const owner = caller.isAdmin
      ? await this.records.findOne({
          select: { userId: true, itemId: true, developerId: true },
          where: { id },
        })
      : caller.developer;
    const refuse = async (manager: EntityManager): Promise<never> => {
      const isDisclosed = whenForeign !== noRecord && !caller.isAdmin;
      throw isDisclosed && (await manager.existsBy(SyncRecord, { id })) ? whenForeign(id) : noRecord(id);
    };
    if (!owner) return refuse(this.records.manager);
    return this.feedClock.withFeedLock(owner, async (manager) => {
      const record = await manager.findOneBy(SyncRecord, { userId: owner.userId, id });
      return work(manager, record ?? (await refuse(manager)));
    });
  }

  /** An own record of this developer, or one that is shared with it. @param key of one record */
  findReadable(
    manager: EntityManager,
    reader: number,
    key: { id: string } | { itemId: number },
  ): Promise<SyncRecord | null> {
    // eslint-disable-next-line no-restricted-syntax -- reads only
    const records = manager.createQueryBuilder(SyncRecord, 'record');
    return records.where(key).andWhere(IS_READABLE, { reader }).getOne();
  }

  private async readRecords(ids: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    const rows = await this.dataSource.execute<StoredRecord>(READ_RECORDS, [ids]);
    const records = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => records.get(id));
  }
}

export const frameOf = ({ page, limit }: PageQuery, total: number, list: string): PageFrame => ({
  envelope: { total, page, limit },
  list,
});
