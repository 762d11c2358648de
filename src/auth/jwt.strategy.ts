import { Injectable, Logger } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type FetchImplementation,
} from 'jose';
import { KeyObject, type webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { serviceUnavailable } from '../http/api-error.js';
import { toApiError } from '../http/api-error.filter.js';
import { isStorableText } from '../http/json-body.js';
import { config } from '../config.js';
import { type AccessTokenClaims, AccessTokensService } from '../tokens/access-tokens.service.js';
import { audience } from '../tokens/audience.js';
import { Caller } from '../access/caller.js';
import { DevelopersService } from '../developers/developers.service.js';
import { ServerKeysService } from '../tokens/server-keys.service.js';

interface Token {
  header: { typ?: unknown };
  payload: AccessTokenClaims;
}

const ALGORITHMS = ['RS256', 'ES256'] as const;

/** Between two requests for the issuer's keys, in ms. */
const RETRY_DELAY = 1_000;

/** jose's answers to a token that no key of the set can have signed; anything else is a fault of the set. */
const NO_KEY = [
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
  errors.JOSENotSupported,
  errors.JWTInvalid,
];

/**
 * JWT bearer tokens (RFC 7519, RFC 9068) of the built-in authorization server, and of the issuer in the settings: each is
 * checked with the keys of the issuer that it names, and then as a token of that issuer. RS256 and ES256 only, so that
 * neither `none` nor a public key used as an HMAC secret gets through; `iss`, `aud` and `exp` are required.
 */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    private readonly developers: DevelopersService,
    private readonly accessTokens: AccessTokensService,
    serverKeys: ServerKeysService,
  ) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: (
        _request: unknown,
        token: string,
        done: (error: unknown, key?: string) => void,
      ) => {
        // Told from a token that is no good, whatever went wrong.
        findKey(token, serverKeys).then(
          (key) => done(null, key),
          (error: unknown) => done(toApiError(error)),
        );
      },
      algorithms: [...ALGORITHMS],
      jsonWebTokenOptions: { complete: true },
    });
  }

  /** Turns a token with a good signature into its caller; false refuses it. */
  async validate({ header, payload }: Token): Promise<Caller | false> {
    if (payload.iss === config.PUBLIC_URL) {
      const isAccessToken = header.typ === 'at+jwt' && payload.aud === audience();
      return isAccessToken && ((await this.accessTokens.findCaller(payload)) ?? false);
    }
    const { iss, aud, sub, exp, scope } = payload;
    const audiences = Array.isArray(aud) ? aud : [aud];
    if (iss !== config.JWT_ISSUER || !audiences.includes(config.JWT_AUDIENCE)) return false;
    if (typeof exp !== 'number') return false;
    if (typeof sub !== 'string' || sub === '' || [...sub].length > 255 || !isStorableText(sub)) return false;
    const scopes =
      typeof scope === 'string' ? scope.split(' ') : Array.isArray(scope) ? scope.map(String) : [];
    return new Caller(await this.developers.findOrCreate(sub), scopes);
  }
}

type KeySet = (header: { alg: string }) => Promise<webcrypto.CryptoKey>;

let keySet: KeySet | undefined;

let askedAt = -Infinity;

/** jose waits between requests that succeed. Without this, every token would ask an issuer that is down once more. */
const fetchKeys: FetchImplementation = async (url, options) => {
  if (performance.now() < askedAt + RETRY_DELAY) throw new Error('the issuer was asked a moment ago');
  askedAt = performance.now();
  return fetch(url, options);
};

/** The issuer's keys: a file is read once, a URL when a token needs it (at most every 30 s) and every 10 minutes. */
async function getKeySet(): Promise<KeySet> {
  const url = new URL(config.JWT_JWKS_URL!);
  // Of a URL without waiting: tokens that come at once share one set, and so one request.
  return (keySet ??=
    url.protocol === 'file:'
      ? createLocalJWKSet(JSON.parse(await readFile(url, 'utf8')))
      : createRemoteJWKSet(url, {
          timeoutDuration: 5_000,
          cooldownDuration: 30_000,
          cacheMaxAge: 600_000,
          [customFetch]: fetchKeys,
        }));
}

/**
 * The key that a token says it is signed with, of the issuer that it names, as PEM; undefined when there is no such key.
 *
 * @throws ApiError 503 when the issuer's keys cannot be had
 */
async function findKey(token: string, serverKeys: ServerKeysService): Promise<string | undefined> {
  let header: ReturnType<typeof decodeProtectedHeader>;
  let issuer: unknown;
  try {
    header = decodeProtectedHeader(token);
    issuer = decodeJwt(token).iss;
  } catch {
    return undefined;
  }
  if (!(ALGORITHMS as readonly unknown[]).includes(header.alg)) return undefined;
  if (issuer === config.PUBLIC_URL) return serverKeys.findPublicKey(header.kid);
  if (!config.JWT_JWKS_URL || issuer !== config.JWT_ISSUER) return undefined;
  try {
    const keys = await getKeySet();
    const key = KeyObject.from(await keys(header as { alg: string }));
    return key.export({ type: 'spki', format: 'pem' }) as string;
  } catch (error) {
    if (NO_KEY.some((known) => error instanceof known)) return undefined;
    new Logger(JwtStrategy.name).error({ err: error }, 'the keys of the token issuer cannot be loaded');
    throw serviceUnavailable('The keys of the token issuer cannot be loaded.');
  }
}
