import { Injectable } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { Raw, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../access/caller.js';
import type { Scope } from '../access/scopes.js';
import { momentOf } from '../api/datetime.js';
import { audit } from '../audit/audit.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { violates } from '../database/violates.js';
import { DevelopersService } from '../developers/developers.service.js';
import { lockDeveloper } from '../developers/lock-developer.js';
import { conflict, forbidden, invalidRequest, notFound } from '../http/api-error.js';
import type { ApiClient } from './api-client.entity.js';
import { ApiClientsService } from './api-clients.service.js';
import { ApiKeyAuthenticator } from './api-key-authenticator.js';
import {
  ApiKeyBody,
  type ApiKeyPageBody,
  type ApiKeysQuery,
  type CreateApiKeyDto,
  type CreatedApiKeyBody,
} from './api-key.dto.js';
import { ApiKey, isInFuture } from './api-key.entity.js';
import { generateApiKey, hashSecret } from './secrets.js';

const PREFIX_LENGTH = 12;

/**
 * SQL: now, in whole ms, by the clock of the database: a revocation counts at once, though clocks of
 * processes differ.
 */
const NOW = `date_trunc('milliseconds', clock_timestamp())`;

export const KEY_HAS_ENDED = conflict('The API key is expired or revoked.');

const noClient = (id: string) => invalidRequest(`clientId: there is no API client ${id}`);

/**
 * Privilege escalation: an application must not turn a grant into a key that outlives it. The server's own
 * client may.
 */
function assertManagesKeys({ isApplication }: Caller): void {
  if (isApplication) throw forbidden('A credential of an API client cannot manage API keys.');
}

/** A new key, and the columns that are its own. */
function issueKey() {
  const key = generateApiKey();
  const columns = {
    id: uuidv7(),
    hash: hashSecret(key),
    prefix: key.slice(0, PREFIX_LENGTH),
    createdAt: new Date(),
    lastUsedAt: null,
    revokedAt: null,
  };
  return { key, columns };
}

/** Management of API keys: create, list, rotate, revoke. */
@Injectable()
export class ApiKeysService {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(ApiKey) private readonly keys: Repository<ApiKey>,
    private readonly developers: DevelopersService,
    private readonly clients: ApiClientsService,
    private readonly authenticator: ApiKeyAuthenticator,
  ) {}

  /** @throws ApiError 400, 403 */
  async create(caller: Caller, dto: CreateApiKeyDto): Promise<CreatedApiKeyBody> {
    assertManagesKeys(caller);
    const expiresAt = dto.expiresAt === undefined ? null : momentOf(dto.expiresAt);
    if (expiresAt && !(expiresAt > new Date())) throw invalidRequest('expiresAt must be in the future');
    const client = dto.clientId === undefined ? null : await this.findClient(dto.clientId, dto.scopes);
    const developer = await this.developers.findOrCreate(dto.developerId);
    const { key, columns } = issueKey();
    const saved = await this.insert(
      caller,
      this.keys.create({
        ...columns,
        client,
        developer,
        name: dto.name ?? null,
        scopes: dto.scopes,
        expiresAt,
      }),
    );
    return { ...ApiKeyBody.of(saved), key };
  }

  /** @throws ApiError 403 */
  async list(caller: Caller, { developerId, limit, page }: ApiKeysQuery): Promise<ApiKeyPageBody> {
    assertManagesKeys(caller);
    if (developerId !== undefined) caller.assertActsFor(developerId);
    const owner = developerId ?? (caller.isAdmin ? undefined : caller.ownDeveloper().developerId);
    const [keys, total] = await this.keys.findAndCount({
      relations: { developer: true, client: true },
      where: owner === undefined ? {} : { developer: { developerId: owner } },
      order: { id: 'ASC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    return { total, page, limit, data: keys.map((key) => ApiKeyBody.of(key)) };
  }

  /**
   * Replaces a key by a new one; the old one ends with the overlap. Its end is stored as `revokedAt`, so that
   * `expiresAt`, which the new key inherits, stays as the admin has set it.
   *
   * @throws ApiError 403, 404, 409 when the old key has ended
   */
  async rotate(caller: Caller, id: string, overlapSeconds: number): Promise<CreatedApiKeyBody> {
    const old = await this.findManaged(caller, id);
    const excess = old.scopes.filter((scope) => !caller.has(scope));
    if (excess.length > 0)
      throw forbidden(`The key has more scopes than this credential: ${excess.join(', ')}.`);
    const { key, columns } = issueKey();
    const { developerId } = old.developer;
    const saved = await this.dataSource.transaction(async (manager) => {
      // Order: the new key first, so that a client's access to the feed, which hangs on its keys, has no gap.
      const made = await manager.save(ApiKey, manager.create(ApiKey, { ...old, ...columns }));
      const { affected } = await manager
        .createQueryBuilder()
        .update(ApiKey)
        .set({ revokedAt: () => `LEAST(revoked_at, ${NOW} + make_interval(secs => :overlapSeconds))` })
        .where({ id, revokedAt: Raw(isInFuture), expiresAt: Raw(isInFuture) })
        .setParameters({ overlapSeconds })
        .execute();
      if (affected === 0) throw KEY_HAS_ENDED;
      const details = { newKeyId: made.id, overlapSeconds };
      await audit(manager, caller, { action: 'key.rotated', targetId: id, developerId, details });
      return made;
    });
    this.authenticator.forget(old.hash);
    return { ...ApiKeyBody.of(saved), key };
  }

  /**
   * Revokes a key: at once in this process, within 5 s in others. Idempotent.
   *
   * @throws ApiError 403, 404
   */
  async revoke(caller: Caller, id: string): Promise<void> {
    const { hash, developer } = await this.findManaged(caller, id);
    await this.dataSource.transaction(async (manager) => {
      const live = { id, revokedAt: Raw(isInFuture) };
      const { affected } = await manager.update(ApiKey, live, { revokedAt: () => NOW });
      if (affected === 0) return;
      await audit(manager, caller, {
        action: 'key.revoked',
        targetId: id,
        developerId: developer.developerId,
      });
    });
    this.authenticator.forget(hash);
  }

  /** @throws ApiError 400 when there is no such client, or it lacks one of the scopes */
  private async findClient(id: string, scopes: Scope[]): Promise<ApiClient> {
    const client = await this.clients.find(id);
    // The server's own client has no keys.
    if (!client?.owner) throw noClient(id);
    const excess = scopes.filter((scope) => !client.scopes.includes(scope));
    if (excess.length > 0) throw invalidRequest(`scopes of this client do not include ${excess.join(', ')}`);
    return client;
  }

  private async insert(caller: Caller, key: ApiKey): Promise<ApiKey> {
    const { id: targetId, developer, client, scopes } = key;
    const details = { scopes, clientId: client?.id };
    try {
      return await this.dataSource.transaction(async (manager) => {
        await lockDeveloper(manager, developer);
        const { developerId } = developer;
        await audit(manager, caller, { action: 'key.created', targetId, developerId, details });
        return manager.save(key);
      });
    } catch (error) {
      // Race: the client was deleted after `findClient`.
      if (key.client && violates(error, 'api_keys_client')) throw noClient(key.client.id);
      throw error;
    }
  }

  /**
   * A key that the caller may manage.
   *
   * @throws ApiError 403, 404; 404 also for keys of other developers, so that ids cannot be probed
   */
  private async findManaged(caller: Caller, id: string): Promise<ApiKey> {
    assertManagesKeys(caller);
    const key = await this.keys.findOne({ relations: { developer: true, client: true }, where: { id } });
    if (!key || !(caller.isAdmin || caller.developer?.userId === key.developer.userId)) {
      throw notFound(`There is no API key ${id}.`);
    }
    return key;
  }
}
