import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, LessThan, MoreThan, Repository } from 'typeorm';
import { isDeepStrictEqual } from 'node:util';
import type { Caller, DeveloperIdentity } from '../access/caller.js';
import { audit } from '../audit/audit.js';
import { CredentialCache } from '../clients/credential-cache.js';
import { inOrder } from '../database/coalesce.js';
import { lockDeveloper } from '../developers/lock-developer.js';
import { Histories } from '../histories/histories.js';
import { notFound } from '../http/api-error.js';
import { GrantBody, type GrantPageBody, type GrantsQuery } from './grant.dto.js';
import { Grant } from './grant.entity.js';

/** Expired grants removed per call. */
const BATCH = 100;

/** Grants of developers to applications. The only writer; uses `save` and `remove`, which subscribers see. */
@Injectable()
export class GrantsService {
  private readonly cache: CredentialCache<Grant>;

  constructor(
    @InjectRepository(Grant) private readonly grants: Repository<Grant>,
    histories: Histories,
  ) {
    this.cache = new CredentialCache(histories, async (ids) => {
      const where = { id: In([...ids]) };
      const found = await this.grants.find({ relations: { developer: true, client: true }, where });
      return inOrder(ids, found, ({ id }) => id);
    });
  }

  /** The grant with this id, unless expired, as it was at most 5 s ago. */
  async find(id: string): Promise<Grant | undefined> {
    const grant = await this.cache.get(id);
    return grant && grant.expiresAt.getTime() > Date.now() ? grant : undefined;
  }

  /** The grant with this id, expired or not, from the database. */
  async load(id: string): Promise<Grant | undefined> {
    const grant = await this.grants.findOne({ relations: { developer: true, client: true }, where: { id } });
    return grant ?? undefined;
  }

  /** Saves the consent of a developer at the login pages. @throws ApiError 503 */
  async save(
    grant: Pick<Grant, 'id' | 'scopes' | 'payload' | 'createdAt' | 'expiresAt'>,
    developer: DeveloperIdentity,
    clientId: string,
  ): Promise<void> {
    const { id: targetId, scopes } = grant;
    const { userId, developerId } = developer;
    const account = { kind: 'account', developerId } as const;
    await this.grants.manager.transaction(async (manager) => {
      await lockDeveloper(manager, developer);
      const old = await manager.findOneBy(Grant, { id: targetId });
      await manager.save(this.grants.create({ ...grant, developer: { userId }, client: { id: clientId } }));
      if (isDeepStrictEqual(old?.scopes, scopes)) return;
      const action = old ? 'grant.updated' : 'grant.created';
      await audit(manager, account, { action, targetId, developerId, details: { scopes, clientId } });
    });
    this.cache.forget(targetId);
  }

  /**
   * Removes a grant, and with it its codes and tokens: an application at the OAuth endpoints has revoked a
   * token, or a code or a refresh token was used twice.
   */
  async remove(id: string): Promise<void> {
    const grant = await this.load(id);
    if (grant) await this.end({ kind: 'client', id: grant.client.id }, grant);
  }

  /** A committed end of a grant counts at once in this process, within 5 s in others. */
  forget(id: string): void {
    this.cache.forget(id);
  }

  /** Removes a batch of expired grants. @returns whether there may be more */
  async removeExpired(): Promise<boolean> {
    const expired = await this.grants.find({ where: { expiresAt: LessThan(new Date()) }, take: BATCH });
    await this.grants.remove(expired);
    return expired.length === BATCH;
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

  /** @throws ApiError 403, 404; 404 also for grants of other developers, so that ids cannot be probed */
  async withdraw(caller: Caller, id: string): Promise<void> {
    caller.assertNotApplication();
    const grant = await this.load(id);
    if (!grant || !(caller.isAdmin || grant.developer.userId === caller.developer?.userId))
      throw notFound(`There is no grant ${id}.`);
    await this.end(caller, grant);
  }

  /** A page of the grants of a developer, with their clients, the latest first. @returns also their number */
  ofDeveloper(userId: number, page: number, limit: number): Promise<[Grant[], number]> {
    return this.grants.findAndCount({
      relations: { client: { owner: true } },
      where: { developer: { userId }, expiresAt: MoreThan(new Date()) },
      order: { createdAt: 'DESC', id: 'DESC' },
      take: limit,
      skip: (page - 1) * limit,
    });
  }

  /** A developer withdraws a grant at the account page. An id of another developer's grant does nothing. */
  async withdrawOwn({ userId, developerId }: DeveloperIdentity, id: string): Promise<void> {
    const grant = await this.load(id);
    if (grant?.developer.userId === userId) await this.end({ kind: 'account', developerId }, grant);
  }

  private async end(by: Parameters<typeof audit>[1], grant: Grant): Promise<void> {
    const { id, developer, client } = grant;
    await this.grants.manager.transaction(async (manager) => {
      // One line for a grant that is ended twice at the same time.
      if (!(await manager.findOne(Grant, { where: { id }, lock: { mode: 'pessimistic_write' } }))) return;
      await manager.remove(grant);
      const { developerId } = developer;
      const details = { clientId: client.id };
      await audit(manager, by, { action: 'grant.withdrawn', targetId: id, developerId, details });
    });
    this.cache.forget(id);
  }
}
