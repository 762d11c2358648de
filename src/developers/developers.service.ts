import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LRUCache } from 'lru-cache';
import { Repository } from 'typeorm';
import type { DeveloperIdentity } from '../access/caller.js';
import { Histories } from '../histories/histories.js';
import { DeveloperBody } from './developer.dto.js';
import { Developer } from './developer.entity.js';

/** Identities of developers: `developerId`, `userId` and display name. */
@Injectable()
export class DevelopersService {
  /** Cache without expiry: both ids of a developer never change, but for a restore of the database. */
  private readonly known = new LRUCache<string, DeveloperIdentity>({ max: 100_000 });

  constructor(
    @InjectRepository(Developer) private readonly developers: Repository<Developer>,
    histories: Histories,
  ) {
    histories.onNewHistory(() => this.known.clear());
  }

  async find(developerId: string): Promise<DeveloperIdentity | undefined> {
    const known = this.known.get(developerId);
    if (known) return known;
    const found = await this.developers.findOne({
      select: { userId: true, developerId: true },
      where: { developerId },
    });
    if (found) this.known.set(developerId, found);
    return found ?? undefined;
  }

  /** @throws EntityNotFoundError */
  get(developerId: string): Promise<Developer> {
    return this.developers.findOneByOrFail({ developerId });
  }

  /** Creates the developer if unknown. @param name null: removes the name */
  async rename(developerId: string, name: string | null): Promise<DeveloperBody> {
    const { userId } = await this.findOrCreate(developerId);
    await this.developers.update({ userId, developerId }, { name, updatedAt: new Date() });
    return DeveloperBody.of(await this.get(developerId));
  }

  exists(userId: number): Promise<boolean> {
    return this.developers.existsBy({ userId });
  }

  /**
   * Creates the developer if unknown. Idempotent: of two processes that do so at once, one inserts and both
   * find the row.
   *
   * Deadlock: never call it inside a transaction. It needs a second connection, and PGlite has only one.
   */
  async findOrCreate(developerId: string): Promise<DeveloperIdentity> {
    const found = await this.find(developerId);
    if (found) return found;
    await this.developers
      .createQueryBuilder()
      .insert()
      .values(this.developers.create({ developerId }))
      .orIgnore()
      // NewFeedSubscriber joins this transaction (src/feed-clock).
      .useTransaction(true)
      .execute();
    return (await this.find(developerId))!;
  }
}
