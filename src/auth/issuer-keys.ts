import { Injectable, Logger } from '@nestjs/common';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type CryptoKey,
  customFetch,
  errors,
  type FetchImplementation,
  type JWTHeaderParameters,
} from 'jose';
import { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { config } from '../config.js';
import { serviceUnavailable } from '../http/api-error.js';

/** Between two requests to the issuer, in ms. */
const RETRY_DELAY = 1_000;

/** ms after which the keys of a URL are requested again: for any token, and for an unknown `kid`. */
const MAX_AGE = 600_000;
const COOL_DOWN = 30_000;

type RemoteKeys = ReturnType<typeof createRemoteJWKSet>;

/** jose's errors about a token that no key of the set can have signed. All others are faults of the set. */
const NO_KEY = [
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
  errors.JOSENotSupported,
  errors.JWTInvalid,
];

/** Public keys of the external token issuer, from JWT_JWKS_URL. */
@Injectable()
export class IssuerKeys {
  private readonly logger = new Logger(IssuerKeys.name);
  private keySet?: (header: JWTHeaderParameters) => Promise<CryptoKey>;
  private requestedAt = -Infinity;
  private loadedAt = -Infinity;

  /**
   * @param header of a token whose `iss` is JWT_ISSUER
   * @returns undefined when the issuer has no such key
   * @throws ApiError 503 when its keys cannot be loaded
   */
  async find(header: JWTHeaderParameters): Promise<KeyObject | undefined> {
    try {
      const keys = await this.load();
      return KeyObject.from(await keys(header));
    } catch (error) {
      if (NO_KEY.some((known) => error instanceof known)) return undefined;
      this.logger.error({ err: error }, 'the keys of the token issuer cannot be loaded');
      throw serviceUnavailable('The keys of the token issuer cannot be loaded.');
    }
  }

  /** A file is read once. */
  private async load() {
    const url = new URL(config.JWT_JWKS_URL!);
    // No await before the assignment of a remote set: concurrent first tokens share it, and so one request.
    return (this.keySet ??=
      url.protocol === 'file:'
        ? createLocalJWKSet(JSON.parse(await readFile(url, 'utf8')))
        : this.loadFrom(url));
  }

  /** By the monotonic clock, not by jose: it compares wall clocks, and these may step back. */
  private loadFrom(url: URL) {
    const ageless = { cacheMaxAge: Infinity, cooldownDuration: Infinity };
    const keys = createRemoteJWKSet(url, { ...ageless, [customFetch]: this.fetch });
    return async (header: JWTHeaderParameters) => {
      await this.reload(keys, MAX_AGE);
      try {
        return await keys(header);
      } catch (error) {
        const isUnknown = error instanceof errors.JWKSNoMatchingKey;
        if (isUnknown && (await this.reload(keys, COOL_DOWN))) return keys(header);
        throw error;
      }
    };
  }

  /** Tokens that come meanwhile share the request. @returns false if the keys are younger than `age` */
  private async reload(keys: RemoteKeys, age: number): Promise<boolean> {
    if (performance.now() < this.loadedAt + age) return false;
    await keys.reload();
    this.loadedAt = performance.now();
    return true;
  }

  /** Cool-down after a failure: jose has one only after a success, and would let each token ask again. */
  private readonly fetch: FetchImplementation = async (url, options) => {
    if (performance.now() < this.requestedAt + RETRY_DELAY)
      throw new Error('the issuer was asked a moment ago');
    this.requestedAt = performance.now();
    return fetch(url, options);
  };
}
