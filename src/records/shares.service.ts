import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Caller } from '../access/caller.js';
import { audit } from '../audit/audit.js';
import { DevelopersService } from '../developers/developers.service.js';
import { lockDeveloper } from '../developers/lock-developer.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import type { PageQuery } from '../api/page.dto.js';
import type { SyncRecord } from './record.entity.js';
import { RecordsService } from './records.service.js';
import type { SharePageBody } from './share.dto.js';
import { Share } from './share.entity.js';

/** Shares of a record. Its owner or an admin changes them; the writes hold the lock of the owner's feed. */
@Injectable()
export class SharesService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly records: RecordsService,
    private readonly developers: DevelopersService,
  ) {}

  /**
   * Idempotent.
   *
   * Enumeration: the owner of a record learns which developers exist. A share that goes nowhere because of a
   * typing error would be worse.
   *
   * @throws ApiError 400 for the owner, 404
   */
  async grant(caller: Caller, recordId: string, developerId: string): Promise<void> {
    const reader = caller.isAdmin
      ? await this.developers.findOrCreate(developerId)
      : await this.developers.find(developerId);
    await this.records.withRecord(caller, recordId, async (manager, record) => {
      const { userId, itemId } = record;
      if (!reader) throw notFound(`There is no developer ${developerId}.`);
      if (reader.userId === userId) throw invalidRequest('A record cannot be shared with its own developer.');
      const key = { userId, itemId, readerUserId: reader.userId };
      if (await manager.existsBy(Share, key)) return;
      await lockDeveloper(manager, reader);
      await manager.insert(Share, { ...key, createdAt: new Date() });
      await audit(manager, caller, lineOf('share.granted', record, developerId));
    });
  }

  /**
   * Idempotent. Takes effect at once: when this returns, the developer cannot read the record any more. Enumeration: an
   * unknown developer has no share either.
   *
   * @throws ApiError 404
   */
  async revoke(caller: Caller, recordId: string, developerId: string): Promise<void> {
    const reader = await this.developers.find(developerId);
    await this.records.withRecord(caller, recordId, async (manager, record) => {
      const { userId, itemId } = record;
      const share =
        reader && (await manager.findOneBy(Share, { userId, itemId, readerUserId: reader.userId }));
      if (!share) return;
      await manager.remove(Share, share);
      await audit(manager, caller, lineOf('share.revoked', record, developerId));
    });
  }

  /** @throws ApiError 404 */
  async list(caller: Caller, recordId: string, { limit, page }: PageQuery): Promise<SharePageBody> {
    const record = await this.records.getOwn(caller, recordId);
    const [shares, total] = await this.dataSource.manager.findAndCount(Share, {
      where: { userId: record.userId, itemId: record.itemId },
      relations: { reader: true },
      order: { readerUserId: 'ASC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    const data = shares.map(({ reader, createdAt }) => ({
      developerId: reader.developerId,
      createdAt: createdAt.toISOString(),
    }));
    return { total, page, limit, data };
  }
}

const lineOf = (
  action: 'share.granted' | 'share.revoked',
  { id: targetId, developerId }: SyncRecord,
  readerDeveloperId: string,
) => ({ action, targetId, developerId, details: { readerDeveloperId } });
