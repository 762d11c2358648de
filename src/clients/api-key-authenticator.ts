import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { timingSafeEqual } from 'node:crypto';
import { In, Raw, Repository } from 'typeorm';
import { Caller, type DeveloperIdentity } from '../access/caller.js';
import type { Scope } from '../access/scopes.js';
import { inOrder } from '../database/coalesce.js';
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

/** $1 hashes. Raw: one hand-written join on the path of nearly every request. */
const READ_KEYS = `
  SELECT k.id, encode(k.hash, 'hex') AS hash, k.scopes, LEAST(k.expires_at, k.revoked_at) AS "endsAt",
    k.client_id AS "clientId",
    d.user_id AS "userId", d.developer_id AS "developerId",
    ${isInFuture('k.expires_at')} AND ${isMinuteOld('k.last_used_at')} AS "isUseToBeNoted"
  FROM api_keys k
  JOIN developers d ON d.user_id = k.user_id
  WHERE k.hash = ANY ($1) AND ${IS_NOT_REVOKED}`;

interface StoredKey extends DeveloperIdentity {
  id: string;
  /** In hex. */
  hash: string;
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
    this.cache = new CredentialCache(histories, (hashes) => this.loadAll(hashes));
    this.adminKeyHash = key === undefined ? undefined : hashSecret(key);
  }

  /** @returns undefined for a key that is unknown, expired or revoked */
  async authenticate(key: string): Promise<Caller | undefined> {
    const hash = hashSecret(key);
    if (this.adminKeyHash && timingSafeEqual(hash, this.adminKeyHash))
      return new Caller(undefined, ['sync:admin'], { kind: 'admin_key', id: null });
    return API_KEY.test(key) ? this.findCaller(hash.toString('hex')) : undefined;
  }

  /** A committed change of a key counts at once in this process, within 5 s in others. */
  forget(hash: Buffer): void {
    this.cache.forget(hash.toString('hex'));
  }

  /** @param hash in hex */
  private async findCaller(hash: string): Promise<Caller | undefined> {
    const found = await this.cache.get(hash);
    if (!found || (found.endsAt && found.endsAt.getTime() <= Date.now())) return undefined;
    const { id, developer, scopes, clientId } = found;
    const client = clientId === null ? undefined : await this.clients.find(clientId);
    if (clientId !== null && !client) return undefined;
    // The client may have lost a scope since the key was created.
    const present = client ? scopes.filter((scope) => client.scopes.includes(scope)) : scopes;
    const caller = new Caller(developer, present, { kind: 'api_key', id }, client);
    caller.renew = () => this.findCaller(hash);
    return caller;
  }

  private async loadAll(hashes: readonly string[]): Promise<(CachedKey | undefined)[]> {
    const parameters = [hashes.map((hash) => Buffer.from(hash, 'hex'))];
    const keys = await this.dataSource.execute<StoredKey>(READ_KEYS, parameters);
    const used = keys.filter(({ isUseToBeNoted }) => isUseToBeNoted).map(({ id }) => id);
    // Fire and forget: a key works without this write, which fails while the database is read-only.
    if (used.length > 0)
      void this.noteUse(used).catch((error: unknown) =>
        this.logger.warn({ err: error }, 'last use not noted'),
      );
    const found = keys.map(({ hash, id, userId, developerId, scopes, endsAt, clientId }) => ({
      hash,
      key: { id, developer: { userId, developerId }, scopes, endsAt, clientId },
    }));
    return inOrder(hashes, found, ({ hash }) => hash).map((row) => row?.key);
  }

  private async noteUse(ids: string[]): Promise<void> {
    await this.keys.update(
      { id: In(ids), expiresAt: Raw(isInFuture), lastUsedAt: Raw(isMinuteOld) },
      { lastUsedAt: () => 'clock_timestamp()' },
    );
  }
}
