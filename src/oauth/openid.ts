import type { AccessTokenClaims } from '../tokens/access-token.js';

/**
 * Scope of OpenID Connect, for logins to an application: with the tokens comes an ID token, whose `sub` is the
 * `developerId`. No scope of the API, and none that a client must be given: an access token names `sub`, too.
 */
export const OPENID = 'openid';

/** Has a login given this access token? */
export const isLogin = ({ scope }: AccessTokenClaims): boolean =>
  typeof scope === 'string' && scope.split(' ').includes(OPENID);
