import type { FastifyReply, FastifyRequest } from 'fastify';
import { config } from '../config.js';
import { publicPath } from '../http/public-path.js';

const IS_SECURE = config.PUBLIC_URL.startsWith('https:');

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

/** A cookie whose value is a random token of 32 bytes, in base64url. */
export class TokenCookie {
  private readonly name: string;
  private readonly path: string;
  private readonly pattern: RegExp;

  /** @param path of its one page; undefined: all pages share it */
  constructor(name: string, path?: string) {
    this.name = cookieName(name, path !== undefined);
    this.path = path ?? cookiePath;
    this.pattern = new RegExp(`(?:^|; *)${this.name}=([\\w-]{43})(?:;|$)`);
  }

  of({ headers }: FastifyRequest): string | undefined {
    return this.pattern.exec(headers.cookie ?? '')?.[1];
  }

  /** @param maxAge seconds; 0 removes it */
  set(reply: FastifyReply, token: string, maxAge: number): void {
    void reply.header(
      'set-cookie',
      `${this.name}=${token}; Path=${this.path}; Max-Age=${maxAge}; HttpOnly; SameSite=Lax` +
        (IS_SECURE ? '; Secure' : ''),
    );
  }
}
