import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { timingSafeEqual } from 'node:crypto';
import { QueryFailedError, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { conflict, forbidden, invalidRequest, notFound } from '../http/api-error.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { ApiKey, IS_NOT_REVOKED } from './api-key.entity.js';
import {
  ApiKeyBody,
  type ApiKeyPageBody,
  type ApiKeysQuery,
  type CreateApiKeyDto,
  type CreatedApiKeyBody,
} from './api-key.dto.js';
import { AdminKey } from './admin-key.js';
import { ApiClientsService } from './api-clients.service.js';
import type { ApiClient } from './api-client.entity.js';
import { Caller } from '../access/caller.js';
import type { Scope } from '../access/scopes.js';
import { CredentialCache } from './credential-cache.js';
import type { DeveloperIdentity } from '../access/caller.js';
import { DevelopersService } from '../developers/developers.service.js';
import { API_KEY, generateApiKey, hashSecret } from './secrets.js';

const SHOWN_CHARACTERS = 12;

/** SQL. By the clock of the database alone: that of a process may be ahead, and a revocation counts at once. */
const NOW = `date_trunc('milliseconds', clock_timestamp())`;

const IS_USE_TO_BE_NOTED = `
  (expires_at IS NULL OR expires_at > clock_timestamp())
  AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')`;

/** $1 hash */
const READ_KEY = `
  SELECT k.id, k.scopes, LEAST(k.expires_at, k.revoked_at) AS "endsAt", k.client_id AS "clientId", d.user_id AS "userId", d.developer_id AS "developerId",
    ${IS_USE_TO_BE_NOTED} AS "isUseToBeNoted"
  FROM api_keys k
  JOIN developers d ON d.user_id = k.user_id
  WHERE k.hash = $1 AND ${IS_NOT_REVOKED}`;

export const KEY_HAS_ENDED = conflict('The API key is expired or revoked.');

/** An application must not make a key that stays of what it was granted for a while. The server's own client may. */
function assertManagesKeys({ client }: Caller): void {
  if (client?.owner) throw forbidden('A credential of an API client cannot manage API keys.');
}

const noClient = (id: string) => invalidRequest(`clientId: there is no API client ${id}`);

const isClientGone = (error: unknown) =>
  error instanceof QueryFailedError &&
  (error.driverError as { constraint?: string }).constraint === 'api_keys_client';

interface StoredKey extends Pick<ApiKey, 'id' | 'scopes'> {
  /** When it expires, or ends after its rotation. */
  endsAt: Date | null;
  userId: number;
  developerId: string;
  clientId: string | null;
  isUseToBeNoted: boolean;
}

interface KeyInUse extends Pick<StoredKey, 'scopes' | 'endsAt' | 'clientId'> {
  developer: DeveloperIdentity;
}

@Injectable()
export class ApiKeysService {
  private readonly logger = new Logger(ApiKeysService.name);
  private readonly adminKeyHash: Buffer | undefined;

  /** Keys in use by the hex of their hash. */
  private readonly inUse = new CredentialCache<KeyInUse>((hash) => this.load(Buffer.from(hash, 'hex')));

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(ApiKey) private readonly keys: Repository<ApiKey>,
    private readonly developers: DevelopersService,
    private readonly clients: ApiClientsService,
    { key }: AdminKey,
  ) {
    this.adminKeyHash = key === undefined ? undefined : hashSecret(key);
  }

  /** The caller that a key stands for, or undefined for a key that is unknown, expired or revoked. */
  async authenticate(key: string): Promise<Caller | undefined> {
    const hash = hashSecret(key);
    if (this.adminKeyHash && timingSafeEqual(hash, this.adminKeyHash))
      return new Caller(undefined, ['sync:admin']);
    if (!API_KEY.test(key)) return undefined;
    const found = await this.inUse.get(hash.toString('hex'));
    if (!found || (found.endsAt && found.endsAt.getTime() <= Date.now())) return undefined;
    const { developer, scopes, clientId } = found;
    if (clientId === null) return new Caller(developer, scopes);
    const client = await this.clients.find(clientId);
    if (!client) return undefined;
    // The client may have lost a scope since the key was made.
    return new Caller(
      developer,
      scopes.filter((scope) => client.scopes.includes(scope)),
      client,
    );
  }

  async create(dto: CreateApiKeyDto): Promise<CreatedApiKeyBody> {
    const now = new Date();
    const expiresAt = dto.expiresAt === undefined ? null : new Date(dto.expiresAt);
    if (expiresAt && !(expiresAt > now)) throw invalidRequest('expiresAt must be in the future');
    const client = dto.clientId === undefined ? null : await this.findClient(dto.clientId, dto.scopes);
    const { userId } = await this.developers.findOrCreate(dto.developerId);
    const key = generateApiKey();
    const saved = await this.insert(
      this.keys.create({
        id: uuidv7(),
        client,
        developer: { userId, developerId: dto.developerId },
        hash: hashSecret(key),
        prefix: key.slice(0, SHOWN_CHARACTERS),
        name: dto.name ?? null,
        scopes: dto.scopes,
        createdAt: now,
        expiresAt,
        lastUsedAt: null,
        revokedAt: null,
      }),
    );
    return { ...ApiKeyBody.of(saved), key };
  }

  /** @throws ApiError 400 when there is no such client, or a key of it must not have one of the scopes */
  private async findClient(id: string, scopes: Scope[]): Promise<ApiClient> {
    const client = await this.clients.find(id);
    // Nobody makes keys for the server's own client.
    if (!client?.owner) throw noClient(id);
    const excess = scopes.filter((scope) => !client.scopes.includes(scope));
    if (excess.length > 0) throw invalidRequest(`scopes of this client do not include ${excess.join(', ')}`);
    return client;
  }

  private async insert(key: ApiKey): Promise<ApiKey> {
    try {
      return await this.keys.save(key);
    } catch (error) {
      // Deleted a moment ago.
      if (key.client && isClientGone(error)) throw noClient(key.client.id);
      throw error;
    }
  }

  /** @throws ApiError 403 */
  async list(caller: Caller, { developerId, limit, page }: ApiKeysQuery): Promise<ApiKeyPageBody> {
    assertManagesKeys(caller);
    if (developerId !== undefined) caller.assertActsFor(developerId);
    const whose = developerId ?? (caller.isAdmin ? undefined : caller.ownDeveloper().developerId);
    const [keys, total] = await this.keys.findAndCount({
      relations: { developer: true, client: true },
      where: whose === undefined ? {} : { developer: { developerId: whose } },
      order: { id: 'ASC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    return { total, page, limit, data: keys.map((key) => ApiKeyBody.of(key)) };
  }

  /**
   * Makes a key in the place of another one, which ends with the overlap. The end of the other one is told by
   * `revokedAt`, so that `expiresAt`, which the new key takes over, stays what an admin has set.
   *
   * @throws ApiError 403, 404, 409 when the other one has ended
   */
  async rotate(caller: Caller, id: string, overlapSeconds: number): Promise<CreatedApiKeyBody> {
    const old = await this.findManaged(caller, id);
    const excess = old.scopes.filter((scope) => !caller.has(scope));
    if (excess.length > 0)
      throw forbidden(`The key has more scopes than this credential: ${excess.join(', ')}.`);
    const key = generateApiKey();
    const saved = await this.dataSource.transaction(async (manager) => {
      // Before the other one ends: the right of a client goes on without a gap.
      const made = await manager.save(
        ApiKey,
        manager.create(ApiKey, {
          ...old,
          id: uuidv7(),
          hash: hashSecret(key),
          prefix: key.slice(0, SHOWN_CHARACTERS),
          createdAt: new Date(),
          lastUsedAt: null,
          revokedAt: null,
        }),
      );
      const { affected } = await manager
        .createQueryBuilder()
        .update(ApiKey)
        .set({ revokedAt: () => `LEAST(revoked_at, ${NOW} + make_interval(secs => :overlapSeconds))` })
        .where(`id = :id AND ${IS_NOT_REVOKED} AND (expires_at IS NULL OR expires_at > ${NOW})`)
        .setParameters({ id, overlapSeconds })
        .execute();
      if (affected === 0) throw KEY_HAS_ENDED;
      return made;
    });
    this.inUse.forget(old.hash.toString('hex'));
    return { ...ApiKeyBody.of(saved), key };
  }

  /**
   * Revokes a key: at once in this process, within 5 s in others. Revoking twice is no error.
   *
   * @throws ApiError 403, 404
   */
  async revoke(caller: Caller, id: string): Promise<void> {
    const key = await this.findManaged(caller, id);
    await this.keys
      .createQueryBuilder()
      .update({ revokedAt: () => NOW })
      .where(`id = :id AND ${IS_NOT_REVOKED}`, { id })
      .execute();
    this.inUse.forget(key.hash.toString('hex'));
  }

  /** A key that the caller may manage. That of another developer is as good as none: its id is nobody's business. */
  private async findManaged(caller: Caller, id: string): Promise<ApiKey> {
    assertManagesKeys(caller);
    const key = await this.keys.findOne({ relations: { developer: true, client: true }, where: { id } });
    if (!key || !(caller.isAdmin || caller.developer?.userId === key.developer.userId)) {
      throw notFound(`There is no API key ${id}.`);
    }
    return key;
  }

  /** The key with this hash, unless revoked. */
  private async load(hash: Buffer): Promise<KeyInUse | undefined> {
    const [key] = await this.dataSource.execute<StoredKey | undefined>(READ_KEY, [hash]);
    if (!key) return undefined;
    if (key.isUseToBeNoted) {
      // Nobody waits for it, and a key works without it: the database may be read-only just now.
      void this.noteUse(key.id).catch((error: unknown) =>
        this.logger.warn({ err: error }, 'last use not noted'),
      );
    }
    const developer = { userId: key.userId, developerId: key.developerId };
    return { developer, scopes: key.scopes, endsAt: key.endsAt, clientId: key.clientId };
  }

  private async noteUse(id: string): Promise<void> {
    await this.keys
      .createQueryBuilder()
      .update({ lastUsedAt: () => 'clock_timestamp()' })
      .where('id = :id', { id })
      .andWhere(IS_USE_TO_BE_NOTED)
      .execute();
  }
}
