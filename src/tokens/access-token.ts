import { config } from '../config.js';
import { audience } from './audience.js';

export const ACCESS_TOKEN_ALGORITHM = 'ES256';

/** Claims of an access token (RFC 9068) before validation, as far as they are used. */
export interface AccessTokenClaims {
  iss?: unknown;
  aud?: unknown;
  sub?: unknown;
  exp?: unknown;
  jti?: unknown;
  /** Space-separated (RFC 8693); some issuers send a list. */
  scope?: unknown;
  client_id?: unknown;
  /** Built-in authorization server only: the id of the grant; tokens of client credentials have none. */
  grant?: unknown;
}

/**
 * RFC 9068, section 4: is a JWT an access token of the built-in authorization server? The one rule for
 * requests, which passport-jwt verifies, and for introspection and revocation, with jose. Both have checked
 * the signature, `exp` and `nbf` before; here `exp` must only be present.
 */
export const isAccessToken = (
  { alg, typ }: { alg?: unknown; typ?: unknown },
  { iss, aud, exp }: AccessTokenClaims,
): boolean =>
  alg === ACCESS_TOKEN_ALGORITHM &&
  typ === 'at+jwt' &&
  iss === config.PUBLIC_URL &&
  aud === audience() &&
  typeof exp === 'number';
