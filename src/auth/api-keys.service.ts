import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { timingSafeEqual } from 'node:crypto';
import { QueryFailedError, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { invalidRequest, notFound } from '../common/api-error.js';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { ApiKey } from './api-key.entity.js';
import {
  ApiKeyBody,
  type ApiKeyPageBody,
  type ApiKeysQuery,
  type CreateApiKeyDto,
  type CreatedApiKeyBody,
} from './api-key.dto.js';
import { ApiClientsService } from './api-clients.service.js';
import type { ApiClient } from './api-client.entity.js';
import { Caller, type Scope } from './caller.js';
import { CredentialCache } from './credential-cache.js';
import { type DeveloperIdentity, DevelopersService } from './developers.service.js';
import { API_KEY, generateApiKey, hashSecret } from './secrets.js';

const SHOWN_CHARACTERS = 12;

const IS_USE_TO_BE_NOTED = `
  (expires_at IS NULL OR expires_at > clock_timestamp())
  AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')`;

/** $1 hash */
const READ_KEY = `
  SELECT k.id, k.scopes, k.expires_at AS "expiresAt", k.client_id AS "clientId", d.id AS "ownerId", d.developer_id AS "developerId",
    ${IS_USE_TO_BE_NOTED} AS "isUseToBeNoted"
  FROM api_keys k
  JOIN developers d ON d.id = k.owner_id
  WHERE k.hash = $1 AND k.revoked_at IS NULL`;

const noClient = (id: string) => invalidRequest(`clientId: there is no API client ${id}`);

const isClientGone = (error: unknown) =>
  error instanceof QueryFailedError &&
  (error.driverError as { constraint?: string }).constraint === 'api_keys_client';

interface StoredKey extends Pick<ApiKey, 'id' | 'scopes' | 'expiresAt'> {
  ownerId: number;
  developerId: string;
  clientId: string | null;
  isUseToBeNoted: boolean;
}

interface KeyInUse extends Pick<StoredKey, 'scopes' | 'expiresAt' | 'clientId'> {
  developer: DeveloperIdentity;
}

@Injectable()
export class ApiKeysService {
  private readonly logger = new Logger(ApiKeysService.name);
  private readonly adminKeyHash =
    config.ADMIN_API_KEY === undefined ? undefined : hashSecret(config.ADMIN_API_KEY);

  /** Keys in use by the hex of their hash. */
  private readonly inUse = new CredentialCache<KeyInUse>((hash) => this.load(Buffer.from(hash, 'hex')));

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(ApiKey) private readonly keys: Repository<ApiKey>,
    private readonly developers: DevelopersService,
    private readonly clients: ApiClientsService,
  ) {}

  /** The caller that a key stands for, or undefined for a key that is unknown, expired or revoked. */
  async authenticate(key: string): Promise<Caller | undefined> {
    const hash = hashSecret(key);
    if (this.adminKeyHash && timingSafeEqual(hash, this.adminKeyHash))
      return new Caller(undefined, ['sync:admin']);
    if (!API_KEY.test(key)) return undefined;
    const found = await this.inUse.get(hash.toString('hex'));
    if (!found || (found.expiresAt && found.expiresAt.getTime() <= Date.now())) return undefined;
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
    const { id: ownerId } = await this.developers.findOrCreate(dto.developerId);
    const key = generateApiKey();
    const saved = await this.insert(
      this.keys.create({
        id: uuidv7(),
        client,
        developer: { id: ownerId, developerId: dto.developerId },
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

  async list({ developerId, limit, page }: ApiKeysQuery): Promise<ApiKeyPageBody> {
    const [keys, total] = await this.keys.findAndCount({
      relations: { developer: true, client: true },
      where: developerId === undefined ? {} : { developer: { developerId } },
      order: { id: 'ASC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    return { total, page, limit, data: keys.map((key) => ApiKeyBody.of(key)) };
  }

  /** Revokes a key: at once in this process, within REVOCATION_DELAY in others. Revoking twice is no error. */
  async revoke(id: string): Promise<void> {
    const key = await this.keys.findOneBy({ id });
    if (!key) throw notFound(`There is no API key ${id}.`);
    if (!key.revokedAt) await this.keys.update(id, { revokedAt: new Date() });
    this.inUse.forget(key.hash.toString('hex'));
  }

  /** The key with this hash, unless revoked. */
  private async load(hash: Buffer): Promise<KeyInUse | undefined> {
    const [key] = await this.dataSource.read<StoredKey | undefined>(READ_KEY, [hash]);
    if (!key) return undefined;
    if (key.isUseToBeNoted) {
      // Nobody waits for it, and a key works without it: the database may be read-only just now.
      void this.noteUse(key.id).catch((error: unknown) =>
        this.logger.warn({ err: error }, 'last use not noted'),
      );
    }
    const developer = { id: key.ownerId, developerId: key.developerId };
    return { developer, scopes: key.scopes, expiresAt: key.expiresAt, clientId: key.clientId };
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
