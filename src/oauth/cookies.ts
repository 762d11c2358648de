import { config } from '../config.js';
import { publicPath } from './oidc-provider.js';

export const IS_SECURE = config.PUBLIC_URL.startsWith('https:');

/** `__Host-` demands the path `/`, which would share the cookie with all of a host that has a path prefix. */
const IS_HOST = IS_SECURE && publicPath('') === '';

/** Path of the cookies that all pages share: the login session and the device. */
export const cookiePath = IS_HOST ? '/' : publicPath('/oauth');

/**
 * Cookie tossing (RFC 6265bis, section 4.1.3): a browser accepts `__Host-` from this host alone, and
 * `__Secure-` over https alone. Without https there is no prefix.
 *
 * @param hasOwnPath a cookie of one page, which cannot be `__Host-`
 */
export const cookieName = (name: string, hasOwnPath = false) =>
  `${!IS_SECURE ? '' : IS_HOST && !hasOwnPath ? '__Host-' : '__Secure-'}${name}`;
