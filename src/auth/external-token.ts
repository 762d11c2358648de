import { config } from '../config.js';
import { isStorableText } from '../http/json-body.js';
import type { AccessTokenClaims } from '../tokens/access-token.js';

/** What a token of the external issuer says of its bearer. */
export interface ExternalToken {
  developerId: string;
  scopes: string[];
  /** It was issued to an application, which acts for the developer. */
  isApplication: boolean;
}

/**
 * Claims that name the application of a token: `client_id` (RFC 9068), `azp` (OpenID Connect Core), `cid`
 * (Okta), `appid` (Microsoft Entra ID, v1).
 */
const APPLICATION = ['client_id', 'azp', 'cid', 'appid'] as const;

type Claims = AccessTokenClaims & { cnf?: unknown } & Partial<Record<(typeof APPLICATION)[number], unknown>>;

/** RFC 7515, section 4.1.9: a media type, in any case; `application/` may be left out. */
const mediaType = (typ: string) => typ.toLowerCase().replace(/^application\/(?!.*\/)/, '');

const isAccessTokenType = (typ: unknown) =>
  config.JWT_TYP === '*' || (typeof typ === 'string' && mediaType(typ) === mediaType(config.JWT_TYP));

const isDeveloperId = (sub: unknown): sub is string =>
  typeof sub === 'string' && sub !== '' && [...sub].length <= 255 && isStorableText(sub);

/**
 * RFC 9068, section 4: is a JWT an access token of the external issuer for this server? Its signature, `exp`
 * and `nbf` are checked already.
 *
 * - Token confusion: an ID token has another `typ` (JWT_TYP).
 * - A token with `cnf` is sender-constrained (DPoP, RFC 9449; mTLS, RFC 8705). The proof is not checked here,
 *   so a stolen one would be as good as the real one: refused.
 * - Client impersonating resource owner (RFC 9700, section 4.15): in a token of client credentials, `sub` may
 *   be the id of the application, which it may have chosen. It would act as the developer of that name:
 *   refused.
 *
 * @returns undefined refuses the token
 */
export function readExternalToken(header: { typ?: unknown }, claims: Claims): ExternalToken | undefined {
  const { iss, aud, sub, exp, scope } = claims;
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (iss !== config.JWT_ISSUER || !audiences.includes(config.JWT_AUDIENCE)) return undefined;
  if (!isAccessTokenType(header.typ) || typeof exp !== 'number' || !isDeveloperId(sub)) return undefined;
  if (claims.cnf !== undefined) return undefined;
  const applications = APPLICATION.map((name) => claims[name]).filter((value) => value !== undefined);
  if (applications.includes(sub)) return undefined;
  const scopes = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scope) ? scope.map(String) : [];
  return {
    developerId: sub,
    scopes: scopes.filter((name) => name !== 'sync:admin' || config.JWT_ALLOW_ADMIN),
    isApplication: applications.length > 0,
  };
}
