import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EntityManager, IsNull, LessThan, MoreThan } from 'typeorm';
import type { Caller } from '../access/caller.js';
import { audit } from '../audit/audit.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { Histories } from '../histories/histories.js';
import { ACCESS_TOKEN_ALGORITHM } from './access-token.js';
import { SigningKey } from './signing-key.entity.js';

/** Time to live of the loaded keys, in ms. Documented: a rotation counts within 5 s in other processes. */
const MAX_AGE = 4_000;

/** Between two reloads for an unknown `kid`, in ms: a forged token costs no query of its own. */
const RELOAD_INTERVAL = 1_000;

/** Signing keys of the built-in authorization server, shared by all processes. */
@Injectable()
export class SigningKeysService implements OnModuleInit {
  private keys: SigningKey[] = [];
  /** Keys that verify access tokens, by `kid`. */
  private publicKeys = new Map<string, KeyObject>();
  private loadedAt = -Infinity;
  /** Start of the last reload for an unknown `kid`. */
  private reloadedAt = -Infinity;
  /** The reload that has not started yet. */
  private nextReload?: Promise<void>;

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    histories: Histories,
  ) {
    histories.onForget(() => (this.loadedAt = -Infinity));
  }

  /** Creates the first keys, under the startup lock: processes that start together use the same ones. */
  async onModuleInit(): Promise<void> {
    await this.dataSource.withStartupLock(() =>
      this.dataSource.transaction(async (manager) => {
        if (!(await manager.existsBy(SigningKey, { expiresAt: IsNull() }))) await createKeys(manager);
      }),
    );
  }

  /** All keys that are not expired, newest first, as they were at most 5 s ago. */
  async current(): Promise<readonly SigningKey[]> {
    if (performance.now() > this.loadedAt + MAX_AGE) await this.load();
    return this.keys.filter(isCurrent);
  }

  /**
   * The public key of an access token. An unknown `kid` reloads the keys: another process may already sign
   * with a new one.
   *
   * @param kid of the header of a token, not validated
   * @returns undefined when there is no such key
   */
  async findPublicKey(kid: unknown): Promise<KeyObject | undefined> {
    const find = async () =>
      (await this.current()).find(({ id, purpose }) => id === kid && purpose === 'token');
    let key = await find();
    if (!key) {
      await this.reload();
      key = await find();
    }
    return key && this.publicKeys.get(key.id);
  }

  /**
   * New keys sign from now on: at once in this process, within 5 s in all others.
   *
   * @param overlapSeconds how long signatures of the old keys are accepted
   * @returns the new key of access tokens
   */
  async rotate(caller: Caller, overlapSeconds: number): Promise<SigningKey> {
    const expiresAt = new Date(Date.now() + overlapSeconds * 1_000);
    let created: SigningKey;
    await this.dataSource.withStartupLock(() =>
      this.dataSource.transaction(async (manager) => {
        await manager.delete(SigningKey, { expiresAt: LessThan(new Date()) });
        // Also shortens the overlap of older rotations: with 0, no older signature is accepted.
        await manager.update(SigningKey, [{ expiresAt: IsNull() }, { expiresAt: MoreThan(expiresAt) }], {
          expiresAt,
        });
        created = await createKeys(manager);
        const { id: targetId } = created;
        await audit(manager, caller, {
          action: 'signing_keys.rotated',
          targetId,
          details: { overlapSeconds },
        });
      }),
    );
    await this.load();
    return created!;
  }

  /**
   * Single-flight: reloads the keys, at most once a second. Callers share a reload until it starts, so it
   * sees every key that was committed before they came.
   */
  private reload(): Promise<void> {
    const delay = Math.max(0, this.reloadedAt + RELOAD_INTERVAL - performance.now());
    return (this.nextReload ??= sleep(delay).then(() => {
      this.nextReload = undefined;
      this.reloadedAt = performance.now();
      return this.load();
    }));
  }

  private async load(): Promise<void> {
    // Newest first, also if the clock has stepped back between two rotations: no expiry comes before any.
    const keys = await this.dataSource
      .getRepository(SigningKey)
      .find({ order: { expiresAt: 'DESC', createdAt: 'DESC', id: 'ASC' } });
    this.publicKeys = new Map(
      keys
        .filter(({ purpose }) => purpose === 'token')
        .map(({ id, jwk }) => [id, createPublicKey({ key: jwk, format: 'jwk' })]),
    );
    this.keys = keys;
    this.loadedAt = performance.now();
  }
}

const isCurrent = ({ expiresAt }: SigningKey) => expiresAt === null || expiresAt.getTime() > Date.now();

/** @returns the key of access tokens */
async function createKeys(manager: EntityManager): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(ACCESS_TOKEN_ALGORITHM, { extractable: true });
  const token = await exportJWK(privateKey);
  const cookie: JWK = { kty: 'oct', k: randomBytes(32).toString('base64url') };
  const [key] = await manager.save([
    await toKey(manager, 'token', { ...token, alg: ACCESS_TOKEN_ALGORITHM, use: 'sig' }),
    await toKey(manager, 'cookie', cookie),
  ]);
  return key;
}

const toKey = async (manager: EntityManager, purpose: SigningKey['purpose'], jwk: JWK) =>
  manager.create(SigningKey, {
    id: await calculateJwkThumbprint(jwk),
    purpose,
    json: JSON.stringify(jwk),
    createdAt: new Date(),
    expiresAt: null,
  });
