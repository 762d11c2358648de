import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { LRUCache } from 'lru-cache';
import { timingSafeEqual } from 'node:crypto';
import { Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { invalidRequest, notFound } from '../common/api-error.js';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { API_KEY, generateApiKey, hashApiKey } from './api-key.js';
import { ApiKey } from './api-key.entity.js';
import {
  ApiKeyBody,
  type ApiKeyPageBody,
  type ApiKeysQuery,
  type CreateApiKeyDto,
  type CreatedApiKeyBody,
} from './api-key.dto.js';
import { Caller } from './caller.js';
import { DevelopersService } from './developers.service.js';

const SHOWN_CHARACTERS = 12;

/** How long a key that another process revokes may still work here, in ms. The promise is 5 s. */
const REVOCATION_DELAY = 4_000;

/** What the cache says when it gives up a load. */
const ABORTED = /^(deleted|evicted|replaced)$/;

const IS_USE_TO_BE_NOTED = `
  (expires_at IS NULL OR expires_at > clock_timestamp())
  AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')`;

/** $1 hash */
const READ_KEY = `
  SELECT k.id, k.scopes, k.expires_at AS "expiresAt", d.id AS "ownerId", d.developer_id AS "developerId",
    ${IS_USE_TO_BE_NOTED} AS "isUseToBeNoted"
  FROM api_keys k
  JOIN developers d ON d.id = k.owner_id
  WHERE k.hash = $1 AND k.revoked_at IS NULL`;

interface StoredKey extends Pick<ApiKey, 'id' | 'scopes' | 'expiresAt'> {
  ownerId: number;
  developerId: string;
  isUseToBeNoted: boolean;
}

interface KeyInUse {
  expiresAt: Date | null;
  caller: Caller;
}

@Injectable()
export class ApiKeysService {
  private readonly logger = new Logger(ApiKeysService.name);
  private readonly adminKeyHash =
    config.ADMIN_API_KEY === undefined ? undefined : hashApiKey(config.ADMIN_API_KEY);

  /** Keys in use by the hex of their hash, so that a request costs no query of its own. */
  private readonly inUse = new LRUCache<string, KeyInUse>({
    max: 10_000,
    ttl: REVOCATION_DELAY,
    fetchMethod: (hash) => this.load(Buffer.from(hash, 'hex')),
  });

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(ApiKey) private readonly keys: Repository<ApiKey>,
    private readonly developers: DevelopersService,
  ) {}

  /** The caller that a key stands for, or undefined for a key that is unknown, expired or revoked. */
  async authenticate(key: string): Promise<Caller | undefined> {
    const hash = hashApiKey(key);
    if (this.adminKeyHash && timingSafeEqual(hash, this.adminKeyHash))
      return new Caller(undefined, ['sync:admin']);
    if (!API_KEY.test(key)) return undefined;
    const name = hash.toString('hex');
    const found = this.inUse.get(name) ?? (await this.lookUp(name));
    if (!found || (found.expiresAt && found.expiresAt.getTime() <= Date.now())) return undefined;
    return found.caller;
  }

  async create(dto: CreateApiKeyDto): Promise<CreatedApiKeyBody> {
    const now = new Date();
    const expiresAt = dto.expiresAt === undefined ? null : new Date(dto.expiresAt);
    if (expiresAt && !(expiresAt > now)) throw invalidRequest('expiresAt must be in the future');
    const { id: ownerId } = await this.developers.findOrCreate(dto.developerId);
    const key = generateApiKey();
    const saved = await this.keys.save(
      this.keys.create({
        id: uuidv7(),
        developer: { id: ownerId, developerId: dto.developerId },
        hash: hashApiKey(key),
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

  async list({ developerId, limit, page }: ApiKeysQuery): Promise<ApiKeyPageBody> {
    const [keys, total] = await this.keys.findAndCount({
      relations: { developer: true },
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
    this.inUse.delete(key.hash.toString('hex'));
  }

  private async lookUp(hash: string): Promise<KeyInUse | undefined> {
    try {
      return await this.inUse.fetch(hash);
    } catch (error) {
      // A revocation deletes the entry, a full cache evicts it; both abort a load, which may have read an old row.
      if (!ABORTED.test((error as Error).message)) throw error;
      return await this.load(Buffer.from(hash, 'hex'));
    }
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
    return { expiresAt: key.expiresAt, caller: new Caller(developer, key.scopes) };
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
