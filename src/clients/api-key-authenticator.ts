import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { timingSafeEqual } from 'node:crypto';
import { Raw, Repository } from 'typeorm';
import { Caller, type DeveloperIdentity } from '../access/caller.js';
import type { Scope } from '../access/scopes.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { Histories } from '../histories/histories.js';
import { AdminKey } from './admin-key.js';
import { ApiClientsService } from './api-clients.service.js';
import { ApiKey, IS_NOT_REVOKED, isInFuture } from './api-key.entity.js';
import { CredentialCache } from './credential-cache.js';
import { API_KEY, hashSecret } from './secrets.js';

/** SQL: a use is worth a write. `last_used_at` is more than a minute old, or the clock has stepped back. */
const isMinuteOld = (column: string) =>
  `(${column} BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp()) IS NOT TRUE`;

/** $1 hash. Raw: one hand-written join on the path of nearly every request. */
const READ_KEY = `
  SELECT k.id, k.scopes, LEAST(k.expires_at, k.revoked_at) AS "endsAt", k.client_id AS "clientId",
    d.user_id AS "userId", d.developer_id AS "developerId",
    ${isInFuture('k.expires_at')} AND ${isMinuteOld('k.last_used_at')} AS "isUseToBeNoted"
  FROM api_keys k
  JOIN developers d ON d.user_id = k.user_id
  WHERE k.hash = $1 AND ${IS_NOT_REVOKED}`;

interface StoredKey extends DeveloperIdentity {
  id: string;
  scopes: Scope[];
  /** When it expires, or when the overlap of its rotation ends. */
  endsAt: Date | null;
  clientId: string | null;
  isUseToBeNoted: boolean;
}

interface CachedKey extends Pick<StoredKey, 'id' | 'scopes' | 'endsAt' | 'clientId'> {
  developer: DeveloperIdentity;
}

/** Authentication with API keys: the hot path, answered from a cache. */
@Injectable()
export class ApiKeyAuthenticator {
  private readonly logger = new Logger(ApiKeyAuthenticator.name);
  private readonly adminKeyHash: Buffer | undefined;

  /** By the hex of the hash. */
  private readonly cache: CredentialCache<CachedKey>;

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(ApiKey) private readonly keys: Repository<ApiKey>,
    private readonly clients: ApiClientsService,
    { key }: AdminKey,
    histories: Histories,
  ) {
    this.cache = new CredentialCache(histories, (hash) => this.load(Buffer.from(hash, 'hex')));
    this.adminKeyHash = key === undefined ? undefined : hashSecret(key);
  }

  /** @returns undefined for a key that is unknown, expired or revoked */
  async authenticate(key: string): Promise<Caller | undefined> {
    const hash = hashSecret(key);
    if (this.adminKeyHash && timingSafeEqual(hash, this.adminKeyHash))
      return new Caller(undefined, ['sync:admin'], { kind: 'admin_key', id: null });
    if (!API_KEY.test(key)) return undefined;
    const found = await this.cache.get(hash.toString('hex'));
    if (!found || (found.endsAt && found.endsAt.getTime() <= Date.now())) return undefined;
    const { id, developer, scopes, clientId } = found;
    const credential = { kind: 'api_key', id } as const;
    if (clientId === null) return new Caller(developer, scopes, credential);
    const client = await this.clients.find(clientId);
    if (!client) return undefined;
    // The client may have lost a scope since the key was created.
    return new Caller(
      developer,
      scopes.filter((scope) => client.scopes.includes(scope)),
      credential,
      client,
    );
  }

  /** A committed change of a key counts at once in this process, within 5 s in others. */
  forget(hash: Buffer): void {
    this.cache.forget(hash.toString('hex'));
  }

  private async load(hash: Buffer): Promise<CachedKey | undefined> {
    const [key] = await this.dataSource.execute<StoredKey | undefined>(READ_KEY, [hash]);
    if (!key) return undefined;
    const { id, userId, developerId, scopes, endsAt, clientId, isUseToBeNoted } = key;
    if (isUseToBeNoted) {
      // Fire and forget: a key works without this write, which fails while the database is read-only.
      void this.noteUse(id).catch((error: unknown) => this.logger.warn({ err: error }, 'last use not noted'));
    }
    return { id, developer: { userId, developerId }, scopes, endsAt, clientId };
  }

  private async noteUse(id: string): Promise<void> {
    await this.keys.update(
      { id, expiresAt: Raw(isInFuture), lastUsedAt: Raw(isMinuteOld) },
      { lastUsedAt: () => 'clock_timestamp()' },
    );
  }
}
