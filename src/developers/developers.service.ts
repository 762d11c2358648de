import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LRUCache } from 'lru-cache';
import { Repository } from 'typeorm';
import type { Caller, DeveloperIdentity } from '../access/caller.js';
import { audit } from '../audit/audit.js';
import { Histories } from '../histories/histories.js';
import { notFound } from '../http/api-error.js';
import { DeveloperBody } from './developer.dto.js';
import { Developer } from './developer.entity.js';
import { lockDeveloper, staleIdentity } from './lock-developer.js';

/** Time to live of a remembered identity, in ms. Documented: an erasure counts within 5 s in all processes. */
const MAX_AGE = 4_000;

/** Identities of developers: `developerId`, `userId` and display name. */
@Injectable()
export class DevelopersService {
  /** Both ids of a developer never change, but for an erasure or a restore of the database. */
  private readonly known = new LRUCache<string, DeveloperIdentity>({ max: 100_000, ttl: MAX_AGE });

  constructor(
    @InjectRepository(Developer) private readonly developers: Repository<Developer>,
    histories: Histories,
  ) {
    histories.onForget(() => this.known.clear());
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

  /** The developer that a request names; by default, the caller's own. @throws ApiError 403, 404 */
  async named(caller: Caller, developerId: string | undefined): Promise<DeveloperIdentity> {
    if (developerId === undefined) return caller.ownDeveloper();
    caller.assertActsFor(developerId);
    const developer = await this.find(developerId);
    if (!developer) throw notFound(`There is no developer ${developerId}.`);
    return developer;
  }

  /** @throws ApiError 503 if the database has no such developer (any more) */
  async get({ userId, developerId }: DeveloperIdentity): Promise<Developer> {
    const developer = await this.developers.findOneBy({ userId, developerId });
    if (!developer) throw staleIdentity();
    return developer;
  }

  /** The next request for this developer looks it up again. */
  forget(developerId: string): void {
    this.known.delete(developerId);
  }

  /** Creates the developer if unknown. @param name null: removes the name */
  async rename(caller: Caller, developerId: string, name: string | null): Promise<DeveloperBody> {
    const developer = await this.findOrCreate(developerId);
    await this.developers.manager.transaction(async (manager) => {
      await lockDeveloper(manager, developer);
      await manager.update(Developer, { userId: developer.userId }, { name, updatedAt: new Date() });
      await audit(manager, caller, { action: 'developer.renamed', developerId });
    });
    return DeveloperBody.of(await this.get(developer));
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
