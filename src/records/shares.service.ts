import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Caller } from '../access/caller.js';
import { DevelopersService } from '../developers/developers.service.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import type { PageQuery } from '../api/page.dto.js';
import { RecordsService } from './records.service.js';
import type { SharePageBody } from './share.dto.js';
import { Share } from './share.entity.js';

/** Who else may read a record. Only its owner, or an admin, decides; the writes hold the owner's lock. */
@Injectable()
export class SharesService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly records: RecordsService,
    private readonly developers: DevelopersService,
  ) {}

  /** @throws ApiError 400 for the owner itself, 403, 404 */
  async grant(caller: Caller, recordId: string, developerId: string): Promise<void> {
    const grantee = caller.isAdmin
      ? await this.developers.findOrCreate(developerId)
      : await this.developers.find(developerId);
    await this.records.withRecord(caller, recordId, async (manager, { userId, itemId }) => {
      if (!grantee) throw notFound(`There is no developer ${developerId}.`);
      if (grantee.userId === userId)
        throw invalidRequest('A record cannot be shared with its own developer.');
      const key = { userId, itemId, readerUserId: grantee.userId };
      if (await manager.existsBy(Share, key)) return;
      await manager.insert(Share, { ...key, createdAt: new Date() });
    });
  }

  /**
   * Takes effect at once: when this returns, the developer can read nothing of the record any more.
   *
   * @throws ApiError 403, 404
   */
  async revoke(caller: Caller, recordId: string, developerId: string): Promise<void> {
    const grantee = await this.developers.find(developerId);
    await this.records.withRecord(caller, recordId, async (manager, { userId, itemId }) => {
      if (!grantee) throw notFound(`There is no developer ${developerId}.`);
      const share = await manager.findOneBy(Share, { userId, itemId, readerUserId: grantee.userId });
      if (share) await manager.remove(Share, share);
    });
  }

  /** @throws ApiError 403, 404 */
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
