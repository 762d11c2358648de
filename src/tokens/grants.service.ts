import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LessThan, Repository } from 'typeorm';
import { notFound } from '../http/api-error.js';
import type { Caller } from '../access/caller.js';
import { CredentialCache } from '../clients/credential-cache.js';
import { GrantBody, type GrantPageBody, type GrantsQuery } from './grant.dto.js';
import { Grant } from './grant.entity.js';

/** What developers let applications do. Written with `save` and `remove`, so that subscribers hear of it. */
@Injectable()
export class GrantsService {
  private readonly inUse = new CredentialCache<Grant>((id) => this.load(id));

  constructor(@InjectRepository(Grant) private readonly grants: Repository<Grant>) {}

  /** The grant with this id, unless it has expired, as it was at most 5 s ago. */
  async find(id: string): Promise<Grant | undefined> {
    const grant = await this.inUse.get(id);
    return grant && grant.expiresAt.getTime() > Date.now() ? grant : undefined;
  }

  /** As it is now. */
  async load(id: string): Promise<Grant | undefined> {
    const grant = await this.grants.findOne({ relations: { developer: true, client: true }, where: { id } });
    return grant ?? undefined;
  }

  async save(
    grant: Pick<Grant, 'id' | 'scopes' | 'payload' | 'createdAt' | 'expiresAt'>,
    userId: number,
    clientId: string,
  ): Promise<void> {
    await this.grants.save(this.grants.create({ ...grant, developer: { userId }, client: { id: clientId } }));
    this.inUse.forget(grant.id);
  }

  /** Ends it, and with it all its codes and tokens. */
  async remove(id: string): Promise<void> {
    const grant = await this.load(id);
    if (grant) await this.grants.remove(grant);
    this.inUse.forget(id);
  }

  /** A few at a time. */
  async removeExpired(): Promise<void> {
    const expired = await this.grants.find({ where: { expiresAt: LessThan(new Date()) }, take: 100 });
    await this.grants.remove(expired);
  }

  /** @throws ApiError 403 */
  async list(caller: Caller, { developerId, limit, page }: GrantsQuery): Promise<GrantPageBody> {
    caller.assertNotApplication();
    const owner = developerId ?? (caller.isAdmin ? undefined : caller.developer!.developerId);
    if (owner !== undefined) caller.assertActsFor(owner);
    const [grants, total] = await this.grants.findAndCount({
      relations: { developer: true, client: true },
      where: owner === undefined ? {} : { developer: { developerId: owner } },
      order: { createdAt: 'ASC', id: 'ASC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    return { total, page, limit, data: grants.map((grant) => GrantBody.of(grant)) };
  }

  /** @throws ApiError 403, 404 */
  async withdraw(caller: Caller, id: string): Promise<void> {
    caller.assertNotApplication();
    const grant = await this.load(id);
    // Another developer's is as good as none: ids say nothing to those who guess.
    if (!grant || !(caller.isAdmin || grant.developer.userId === caller.developer?.userId))
      throw notFound(`There is no grant ${id}.`);
    await this.remove(id);
  }
}
