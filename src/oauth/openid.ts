/**
 * Scope of OpenID Connect, for logins to an application: with the tokens comes an ID token, whose `sub` is the
 * `developerId`. No scope of the API, and none that a client must be given: an access token names `sub`, too.
 */
export const OPENID = 'openid';
