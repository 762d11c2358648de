import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ACCESS, type AccessRule } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { insufficientScope, unauthenticated } from '../access/refusals.js';
import { ApiKeyAuthenticator } from '../clients/api-key-authenticator.js';
import { ApiError } from '../http/api-error.js';
import { RateLimits } from './rate-limits.js';

const CREDENTIALS = /^(Bearer|ApiKey) +([\x21-\x7e]+) *$/i;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * The global guard: `Authorization: Bearer <API key or JWT>` or `Authorization: ApiKey <key>`. Default
 * deny: a route without an access rule is open to admins alone.
 */
@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  constructor(
    private readonly reflector: Reflector,
    private readonly apiKeys: ApiKeyAuthenticator,
    private readonly limits: RateLimits,
  ) {
    super();
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const rule =
      this.reflector.getAllAndOverride<AccessRule | undefined>(ACCESS, [
        context.getHandler(),
        context.getClass(),
      ]) ?? 'sync:admin';
    if (rule === 'public') return true;
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest & { user: Caller }>();
    const { authorization } = request.headers;
    if (authorization === undefined) throw unauthenticated();
    const [, scheme, credential] = CREDENTIALS.exec(authorization) ?? [];
    if (!scheme || !credential) throw unauthenticated('Expected Authorization: Bearer <token>.');

    this.limits.assertMayTry(request.ip, credential);
    try {
      const caller = await this.apiKeys.authenticate(credential);
      if (caller) request.user = caller;
      else if (scheme.toLowerCase() === 'bearer' && JWT.test(credential)) await super.canActivate(context);
      else throw unauthenticated('The API key is unknown, expired or revoked.');
    } catch (error) {
      if (error instanceof ApiError && error.getStatus() === 401) this.limits.refused(request.ip);
      throw error;
    }
    this.limits.accept(credential);
    void http.getResponse<FastifyReply>().headers(this.limits.count(request.user.limitName));

    if (!request.user.has(rule)) throw insufficientScope(rule);
    request.user.request = request;
    return true;
  }

  /** Maps the result of passport-jwt to the caller. @throws ApiError 401, 503 */
  override handleRequest<T>(error: unknown, caller: T | false, info: unknown): T {
    if (error instanceof Error) throw error;
    if (info instanceof ApiError) throw info;
    if (!caller) throw unauthenticated('The token is invalid or expired.');
    return caller;
  }
}
