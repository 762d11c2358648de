import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { createPublicKey, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EntityManager, IsNull, LessThan, MoreThan } from 'typeorm';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { ServerKey } from './server-key.entity.js';

/** How long a process may go on with the keys that it knows, in ms. */
const MAX_AGE = 4_000;

/** Between two looks for a key that nobody knows, in ms: tokens are easily made up. */
const RETRY_DELAY = 1_000;

/** The keys of the built-in authorization server, the same ones in every process. */
@Injectable()
export class ServerKeysService implements OnModuleInit {
  private keys: ServerKey[] = [];
  /** As PEM, by id. */
  private publicKeys = new Map<string, string>();
  private loadedAt = -Infinity;
  /** When somebody last came with a key that nobody knew. */
  private lookedAt = -Infinity;
  private nextLook?: Promise<void>;

  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  /** Processes that start at once agree on the first keys. */
  async onModuleInit(): Promise<void> {
    await this.dataSource.withStartupLock(() =>
      this.dataSource.transaction(async (manager) => {
        if (!(await manager.existsBy(ServerKey, { expiresAt: IsNull() }))) await makeKeys(manager);
      }),
    );
  }

  /** Every key that counts, the one that signs first, as they were at most 5 s ago. */
  async current(): Promise<readonly ServerKey[]> {
    if (performance.now() > this.loadedAt + MAX_AGE) await this.load();
    return this.keys.filter(isAlive);
  }

  /**
   * The public key, as PEM, that a token says it is signed with; undefined: there is none. Where a key is not known it may be
   * a new one, which signs already in another process.
   */
  async findPublicKey(id: unknown): Promise<string | undefined> {
    const find = async () => (await this.current()).find((key) => key.id === id && key.purpose === 'token');
    let key = await find();
    if (!key) {
      await this.lookAgain();
      key = await find();
    }
    return key && this.publicKeys.get(key.id);
  }

  /**
   * New keys sign from now on: at once in this process, within 5 s in all others.
   *
   * @param overlapSeconds how long what the old ones have signed, or still sign elsewhere, is believed
   */
  async rotate(overlapSeconds: number): Promise<ServerKey> {
    const expiresAt = new Date(Date.now() + overlapSeconds * 1_000);
    let made: ServerKey;
    await this.dataSource.withStartupLock(() =>
      this.dataSource.transaction(async (manager) => {
        await manager.delete(ServerKey, { expiresAt: LessThan(new Date()) });
        // Of those before the last one, too: with no overlap, nothing that is older is believed.
        await manager.update(ServerKey, [{ expiresAt: IsNull() }, { expiresAt: MoreThan(expiresAt) }], {
          expiresAt,
        });
        made = await makeKeys(manager);
      }),
    );
    await this.load();
    return made!;
  }

  /** Loads the keys, once for all who ask until it begins: what it finds was there when the last of them came, or later. */
  private lookAgain(): Promise<void> {
    return (this.nextLook ??= sleep(Math.max(0, this.lookedAt + RETRY_DELAY - performance.now())).then(() => {
      this.nextLook = undefined;
      this.lookedAt = performance.now();
      return this.load();
    }));
  }

  private async load(): Promise<void> {
    const keys = await this.dataSource
      .getRepository(ServerKey)
      .find({ order: { createdAt: 'DESC', id: 'ASC' } });
    this.publicKeys = new Map(
      keys.filter(({ purpose }) => purpose === 'token').map(({ id, jwk }) => [id, toPem(jwk)]),
    );
    this.keys = keys;
    this.loadedAt = performance.now();
  }
}

const isAlive = ({ expiresAt }: ServerKey) => expiresAt === null || expiresAt.getTime() > Date.now();

const toPem = (jwk: JWK) =>
  createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();

/** @returns the one for tokens */
async function makeKeys(manager: EntityManager): Promise<ServerKey> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const token = await exportJWK(privateKey);
  const cookie: JWK = { kty: 'oct', k: randomBytes(32).toString('base64url') };
  const [key] = await manager.save([
    await toKey(manager, 'token', { ...token, alg: 'ES256', use: 'sig' }),
    await toKey(manager, 'cookie', cookie),
  ]);
  return key;
}

const toKey = async (manager: EntityManager, purpose: ServerKey['purpose'], jwk: JWK) =>
  manager.create(ServerKey, {
    id: await calculateJwkThumbprint(jwk),
    purpose,
    jwk,
    createdAt: new Date(),
    expiresAt: null,
  });
