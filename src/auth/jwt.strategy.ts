import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { decodeJwt, decodeProtectedHeader, type JWTHeaderParameters } from 'jose';
import type { KeyObject } from 'node:crypto';
import { ExtractJwt, type SecretOrKeyProvider, Strategy } from 'passport-jwt';
import { Caller, type DeveloperIdentity } from '../access/caller.js';
import { config } from '../config.js';
import { DevelopersService } from '../developers/developers.service.js';
import { toApiError } from '../http/api-error.filter.js';
import { ACCESS_TOKEN_ALGORITHM, type AccessTokenClaims, isAccessToken } from '../tokens/access-token.js';
import { AccessTokensService } from '../tokens/access-tokens.service.js';
import { SigningKeysService } from '../tokens/signing-keys.service.js';
import { readExternalToken } from './external-token.js';
import { IssuerKeys } from './issuer-keys.js';

interface Token {
  header: { alg?: unknown; typ?: unknown; kid?: string };
  payload: AccessTokenClaims;
}

/** Algorithm confusion: neither `none` nor HMAC with a public key as its secret. */
const ALGORITHMS = ['RS256', ACCESS_TOKEN_ALGORITHM] as const;

/**
 * JWT bearer tokens (RFC 7519, RFC 9068) of two issuers: the built-in authorization server, and the
 * external issuer of the settings. A token is verified with the keys of the issuer that it names, and by
 * the rules of that issuer; `iss`, `aud` and `exp` are required.
 */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    private readonly developers: DevelopersService,
    private readonly accessTokens: AccessTokensService,
    private readonly signingKeys: SigningKeysService,
    issuerKeys: IssuerKeys,
  ) {
    const provideKey = (
      _request: unknown,
      token: string,
      done: (error: unknown, key?: KeyObject) => void,
    ): void => {
      findKey(token, signingKeys, issuerKeys).then(
        (key) => done(null, key),
        // AccessGuard answers an ApiError as it is, any other error with 401.
        (error: unknown) => done(toApiError(error)),
      );
    };
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      // jsonwebtoken takes a KeyObject; the types of passport-jwt know text alone.
      secretOrKeyProvider: provideKey as SecretOrKeyProvider,
      algorithms: [...ALGORITHMS],
      jsonWebTokenOptions: { complete: true },
    });
  }

  /** @returns the caller of a token with a valid signature; false refuses the token */
  async validate(token: Token): Promise<Caller | false> {
    const caller = await this.findCaller(token, (developerId) => this.developers.findOrCreate(developerId));
    if (!caller) return false;
    caller.renew = () => this.renew(token);
    return caller;
  }

  /** Everything that may have ended since the signature was verified. */
  private async renew(token: Token): Promise<Caller | undefined> {
    const { header, payload } = token;
    if (Number(payload.exp) * 1_000 <= Date.now()) return undefined;
    const isOwn = payload.iss === config.PUBLIC_URL;
    if (isOwn && !(await this.signingKeys.findPublicKey(header.kid))) return undefined;
    // Erasure: a request that waits must not make its developer anew.
    return this.findCaller(token, (developerId) => this.developers.find(developerId));
  }

  /** @param find the developer of a token of the external issuer */
  private async findCaller(
    { header, payload }: Token,
    find: (developerId: string) => Promise<DeveloperIdentity | undefined>,
  ): Promise<Caller | undefined> {
    if (payload.iss === config.PUBLIC_URL)
      return isAccessToken(header, payload) ? this.accessTokens.findCaller(payload) : undefined;
    const token = readExternalToken(header, payload);
    if (!token) return undefined;
    const { developerId, scopes, isApplication } = token;
    const developer = await find(developerId);
    if (!developer) return undefined;
    return new Caller(developer, scopes, { kind: 'access_token', id: null }, undefined, isApplication);
  }
}

/**
 * The key that a token claims to be signed with, of the issuer that it claims.
 *
 * @returns undefined when there is no such key, or the token is malformed
 * @throws ApiError 503 when the keys of the external issuer cannot be loaded
 */
async function findKey(
  token: string,
  signingKeys: SigningKeysService,
  issuerKeys: IssuerKeys,
): Promise<KeyObject | undefined> {
  let header: ReturnType<typeof decodeProtectedHeader>;
  let issuer: unknown;
  try {
    header = decodeProtectedHeader(token);
    issuer = decodeJwt(token).iss;
  } catch {
    return undefined;
  }
  if (!(ALGORITHMS as readonly unknown[]).includes(header.alg)) return undefined;
  // RFC 7515, section 4.1.11: extensions that must be understood. None is, and jsonwebtoken does not look.
  if (header.crit !== undefined) return undefined;
  if (issuer === config.PUBLIC_URL) return signingKeys.findPublicKey(header.kid);
  if (!config.JWT_JWKS_URL || issuer !== config.JWT_ISSUER) return undefined;
  return issuerKeys.find(header as JWTHeaderParameters);
}
