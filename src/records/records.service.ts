import { Injectable } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, type QueryDeepPartialEntity, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Readable } from 'node:stream';
import type { Caller } from '../access/caller.js';
import { ALL_TURNS, turns } from '../access/turns.js';
import { DevelopersService } from '../developers/developers.service.js';
import { forbidden, notFound } from '../http/api-error.js';
import { assertIfMatch } from '../http/etag.js';
import type { Reservation } from '../http/fair-limit.js';
import { FeedClock } from '../feed-clock/feed-clock.js';
import { coalesce } from '../database/coalesce.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { violates } from '../database/violates.js';
import { JsonColumn } from './json-column.js';
import { noRecord, RECORD_EXISTS } from './record-errors.js';
import { type PageEntry, pageText } from './large-page.js';
import { assertQuota } from './library-size.js';
import {
  type PageFilter,
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

type RecordKey = Pick<SyncRecord, 'userId' | 'itemId'>;

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
    const { developerId, resourceType, status, limit, page } = query;
    if (developerId !== undefined) caller.assertActsFor(developerId);
    let owner = caller.isAdmin ? undefined : caller.developer;
    if (caller.isAdmin && developerId !== undefined) {
      owner = await this.developers.find(developerId);
      if (!owner) return pageOf(query, 0, '');
    }
    const filter: PageFilter = { userId: owner?.userId, resourceType, status };
    const [sql, parameters] = readPage(filter, limit, (page - 1) * limit);
    const read = () => this.dataSource.execute<StoredPage>(sql, parameters);
    const weight = page * limit > FAR ? ALL_TURNS : 1;
    const [found] = await turns.run(caller.developer?.userId, read, weight);
    const { total, records, entries } = found;
    if (entries) return this.largePage(caller, query, total, entries, memory);
    const text = pageOf(query, total, records ?? '');
    await memory.resize(Buffer.byteLength(text));
    return text;
  }

  private largePage(
    caller: Caller,
    query: RecordsQuery,
    total: number,
    entries: PageEntry[],
    memory: Reservation,
  ): Promise<string | Readable> {
    const [start, end] = pageOf(query, total, '\0').split('\0');
    const read = async (ids: string[]) => {
      const rows = await this.dataSource.execute<StoredRecord>(READ_LARGE_RECORDS, [ids]);
      const texts = new Map(rows.map(({ id, body }) => [id, body!]));
      return ids.flatMap((id) => texts.get(id) ?? []);
    };
    return pageText(
      { start, end },
      entries,
      (ids) => turns.run(caller.developer?.userId, () => read(ids), ALL_TURNS),
      memory,
    );
  }

  /**
   * @param memory of the answer
   * @returns the JSON text of a `RecordBody`, and its ETag
   * @throws ApiError 403 for another developer's record that is not shared, 404
   */
  async get(caller: Caller, id: string, memory: Reservation): Promise<{ etag: string; body: string }> {
    const stored = await this.assertReadableBy(caller, await this.stored.load(id), `record ${id}`);
    const { updatedAt, body } = stored.body === null ? await this.getLarge(caller, stored, memory) : stored;
    return { etag: etagOf(updatedAt), body: body! };
  }

  private async getLarge(caller: Caller, { id, bytes }: StoredRecord, memory: Reservation) {
    await memory.resize(3 * bytes);
    const [record] = await turns.run(caller.developer?.userId, () =>
      this.dataSource.execute<StoredRecord | undefined>(READ_LARGE_RECORDS, [[id]]),
    );
    return record ?? Promise.reject(noRecord(id));
  }

  /** The record of an item page. @throws ApiError 403, 404 */
  async getItem(caller: Caller, itemId: number): Promise<SyncRecord> {
    const record = await turns.run(caller.developer?.userId, () => this.records.findOneBy({ itemId }));
    return this.assertReadableBy(caller, record, `item ${itemId}`);
  }

  /** A record of the caller's library; for admins, of any library. @throws ApiError 403, 404 */
  async getOwn(caller: Caller, id: string): Promise<SyncRecord> {
    return this.assertOwn(caller, await this.records.findOneBy({ id }), `record ${id}`);
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
    return this.withRecord(caller, id, async (manager, record) => {
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
    });
  }

  /** @throws ApiError 403, 404, 412 */
  async remove(caller: Caller, id: string, ifMatch?: string): Promise<void> {
    await this.withRecord(caller, id, async (manager, record) => {
      assertIfMatch(ifMatch, record.etag);
      await manager.remove(SyncRecord, record);
    });
  }

  /**
   * Runs a transaction on a record of the caller's library (for admins, of any), as its only writer.
   *
   * @throws ApiError 403, 404
   */
  async withRecord<T>(
    caller: Caller,
    id: string,
    work: (manager: EntityManager, record: SyncRecord) => Promise<T>,
  ): Promise<T> {
    const owner = caller.isAdmin
      ? await this.records.findOne({
          select: { userId: true, itemId: true, developerId: true },
          where: { id },
        })
      : caller.developer;
    const refuse = async (manager: EntityManager): Promise<never> => {
      this.assertOwn(caller, await manager.findOneBy(SyncRecord, { id }), `record ${id}`);
      throw noRecord(id);
    };
    if (!owner) return refuse(this.records.manager);
    return this.feedClock.withFeedLock(owner, async (manager) => {
      const record = await manager.findOneBy(SyncRecord, { userId: owner.userId, id });
      return work(manager, record ?? (await refuse(manager)));
    });
  }

  /**
   * Returns the record if this developer may read it: as its owner, or by a share.
   *
   * @param record just read; null or undefined: it does not exist
   * @param name for the error message, such as `record 0190…`
   * @throws ApiError 403, 404
   */
  async assertReadable<T extends RecordKey>(
    manager: EntityManager,
    readerUserId: number | undefined,
    record: T | null | undefined,
    name: string,
  ): Promise<T> {
    if (!record) throw notFound(`There is no ${name}.`);
    const { userId, itemId } = record;
    if (readerUserId === userId) return record;
    if (readerUserId !== undefined && (await manager.existsBy(Share, { userId, itemId, readerUserId })))
      return record;
    // Race: a deletion that commits between the two reads deletes the shares, too. It is a 404, not a 403.
    if (!(await manager.existsBy(SyncRecord, { userId, itemId }))) throw notFound(`There is no ${name}.`);
    throw forbidden(`You have no access to ${name}.`);
  }

  private async readRecords(ids: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    const rows = await this.dataSource.execute<StoredRecord>(READ_RECORDS, [ids]);
    const records = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => records.get(id));
  }

  private async assertReadableBy<T extends RecordKey>(
    caller: Caller,
    record: T | null | undefined,
    name: string,
  ): Promise<T> {
    if (caller.isAdmin && record) return record;
    const userId = caller.developer?.userId;
    if (record?.userId === userId && record) return record;
    return turns.run(userId, () => this.assertReadable(this.dataSource.manager, userId, record, name));
  }

  private assertOwn(caller: Caller, record: SyncRecord | null, name: string): SyncRecord {
    if (!record) throw notFound(`There is no ${name}.`);
    if (caller.isAdmin || record.userId === caller.developer?.userId) return record;
    throw forbidden(`The ${name} belongs to another developer.`);
  }
}

/** @param records JSON texts, separated by commas */
function pageOf({ page, limit }: RecordsQuery, total: number, records: string): string {
  return `{"total":${total},"page":${page},"limit":${limit},"data":[${records}]}`;
}
