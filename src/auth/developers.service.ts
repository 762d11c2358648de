import { Injectable } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { LRUCache } from 'lru-cache';
import { type EntityManager, Repository } from 'typeorm';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { DeveloperBody } from './developer.dto.js';
import { Developer } from './developer.entity.js';

/** A developer under both names: `id` in the feed, `developerId` in the records API. */
export type DeveloperIdentity = Readonly<Pick<Developer, 'id' | 'developerId'>>;

@Injectable()
export class DevelopersService {
  /** Both names of a developer never change and no developer is ever deleted, so entries cannot go stale. */
  private readonly known = new LRUCache<string, DeveloperIdentity>({ max: 100_000 });

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(Developer) private readonly developers: Repository<Developer>,
  ) {}

  async find(developerId: string): Promise<DeveloperIdentity | undefined> {
    const known = this.known.get(developerId);
    if (known) return known;
    const found = await this.developers.findOne({
      select: { id: true, developerId: true },
      where: { developerId },
    });
    if (found) this.known.set(developerId, found);
    return found ?? undefined;
  }

  get(developerId: string): Promise<Developer> {
    return this.developers.findOneByOrFail({ developerId });
  }

  /** Creates the developer if unknown. @param name null: none of its own */
  async rename(developerId: string, name: string | null): Promise<DeveloperBody> {
    const { id } = await this.findOrCreate(developerId);
    await this.developers.update(id, { name, updatedAt: new Date() });
    return DeveloperBody.of(await this.get(developerId));
  }

  exists(id: number): Promise<boolean> {
    return this.developers.existsBy({ id });
  }

  /** Never call it inside a transaction: it uses a connection of its own, and the embedded database has only one. */
  async findOrCreate(developerId: string): Promise<DeveloperIdentity> {
    const found = await this.find(developerId);
    if (found) return found;
    await this.developers.createQueryBuilder().insert().values({ developerId }).orIgnore().execute();
    return (await this.find(developerId))!;
  }

  /**
   * A transaction that is the only writer of this developer's library until it ends: it has the lock before it touches
   * anything, so that two writers of one library can never wait for each other in a circle.
   *
   * Never call it inside a transaction: it uses a connection of its own, and the embedded database has only one.
   */
  exclusively<T>(id: number, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    // As the tick does, not FOR UPDATE: that would also stop those who only refer to this developer, such as
    // somebody who shares a record with it, and two who share with each other would wait in a circle.
    const lock = `SELECT FROM developers WHERE id = ${Number(id)} FOR NO KEY UPDATE`;
    return this.dataSource.transactionThatBeginsWith(lock, work);
  }
}
