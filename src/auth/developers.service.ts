import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LRUCache } from 'lru-cache';
import { type EntityManager, Repository } from 'typeorm';
import { Developer } from './developer.entity.js';

/** A developer under both names: `id` in the feed, `developerId` in the records API. */
export type DeveloperIdentity = Readonly<Pick<Developer, 'id' | 'developerId'>>;

@Injectable()
export class DevelopersService {
  /** Both names of a developer never change and no developer is ever deleted, so entries cannot go stale. */
  private readonly known = new LRUCache<string, DeveloperIdentity>({ max: 100_000 });

  constructor(@InjectRepository(Developer) private readonly developers: Repository<Developer>) {}

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
   * Makes every other writer of this developer's library wait until the transaction ends. To be called before
   * any record is touched, so that two writers of one library can never wait for each other in a circle.
   */
  async lock(manager: EntityManager, id: number): Promise<void> {
    // As the tick does, not FOR UPDATE: that would also stop those who only refer to this developer, such as
    // somebody who shares a record with it, and two who share with each other would wait in a circle.
    await manager.query('SELECT FROM developers WHERE id = $1 FOR NO KEY UPDATE', [id]);
  }
}
