import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { drainRequestBody } from '../http/drain-request-body.js';
import { AccessTokensService } from '../tokens/access-tokens.service.js';
import { isLogin, OPENID } from './openid.js';

/**
 * Claims about the developer of an access token (OpenID Connect Core, section 5.3): `sub` alone, as in the ID token.
 * Client libraries read them there. Errors are those of RFC 6750, section 3.1.
 */
@Injectable()
export class UserInfo {
  constructor(private readonly tokens: AccessTokensService) {}

  async answer(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    const claims = token === undefined ? undefined : await this.tokens.verify(token);
    const caller = claims && (await this.tokens.findCaller(claims));
    await drainRequestBody(reply);
    void reply.header('cache-control', 'no-store');
    if (token === undefined)
      return refuse(reply, 401, 'invalid_request', 'Send Authorization: Bearer <token>.');
    if (!caller)
      return refuse(reply, 401, 'invalid_token', 'The access token is invalid, expired or revoked.');
    if (!isLogin(claims))
      return refuse(reply, 403, 'insufficient_scope', `The token needs the scope ${OPENID}.`);
    void reply.send({ sub: caller.developer!.developerId });
  }
}

function refuse(reply: FastifyReply, status: number, error: string, error_description: string): void {
  void reply
    .status(status)
    .header('www-authenticate', `Bearer realm="tidemark", error="${error}"`)
    .send({ error, error_description });
}
