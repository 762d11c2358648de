import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { loginTried } from '../signals/signals.js';
import { LoginOrigins } from './login-origins.service.js';
import { LoginThrottleService } from './login-throttle.service.js';
import { MAX_PASSWORD, PasswordsService } from './passwords.service.js';

/** The version of the password, or why it does not count, and the status of that answer. */
export type LoginResult = { version: string } | { problem: string; status: 401 | 429 };

/** Password verification of all forms, throttled. */
@Injectable()
export class Logins {
  constructor(
    private readonly passwords: PasswordsService,
    private readonly throttle: LoginThrottleService,
    private readonly origins: LoginOrigins,
  ) {}

  /**
   * Sets Retry-After with 429.
   *
   * @param problem the text for a wrong password
   * @throws ApiError 503 when too many attempts wait
   */
  async verify(
    account: string,
    password: string,
    request: FastifyRequest,
    reply: FastifyReply,
    problem = 'The developer ID or the password is wrong.',
  ): Promise<LoginResult> {
    const attempt = await this.throttle.begin(account, this.origins.of(request), reply.raw);
    const { retryAfter } = attempt;
    if (retryAfter > 0) {
      loginTried.publish({ result: 'throttled' });
      void reply.header('retry-after', String(retryAfter));
      const tooMany = `Too many attempts from your network. Try again in ${retryAfter} seconds.`;
      return { problem: tooMany, status: 429 };
    }
    const isShort = password.length <= 2 * MAX_PASSWORD;
    const version = isShort ? await this.passwords.verify(account, password, attempt.isKnown) : undefined;
    loginTried.publish({ result: version === undefined ? 'failed' : 'succeeded' });
    if (version === undefined) return { problem, status: 401 };
    await this.throttle.succeed(attempt);
    return { version };
  }
}
