import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { config } from '../config.js';
import { sendPage } from '../http/page.js';
import { LoginOrigins } from './login-origins.service.js';
import { assertSameOrigin, sendTooMany } from './page-reply.js';
import { errorPage, invitedPage, invitePage } from './pages.js';
import { newPasswordBuckets, PasswordsService, problemOf } from './passwords.service.js';

/** The page of an invite link, on which a developer chooses a password. */
@Injectable()
export class InvitePages {
  private readonly buckets = newPasswordBuckets();

  constructor(
    private readonly passwords: PasswordsService,
    private readonly origins: LoginOrigins,
  ) {}

  async show(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { token } = request.query as { token?: unknown };
    const developer = typeof token === 'string' ? await this.passwords.findInvited(token) : undefined;
    if (!developer) sendInvalid(reply);
    else sendPage(reply, 200, invitePage(developer.developerId, token as string));
  }

  async submit(request: FastifyRequest<{ Body?: URLSearchParams }>, reply: FastifyReply): Promise<void> {
    assertSameOrigin(request);
    const token = request.body?.get('token') ?? '';
    const password = request.body?.get('password') ?? '';
    const developer = await this.passwords.findInvited(token);
    if (!developer) return sendInvalid(reply);
    const seconds = this.buckets.take(developer.developerId);
    if (seconds > 0) return sendTooMany(reply, seconds, 'Too many passwords were tried.');
    const problem = await problemOf(developer.developerId, password);
    if (problem !== undefined) return sendPage(reply, 400, invitePage(developer.developerId, token, problem));
    const version = await this.passwords.accept(token, password);
    if (version === undefined) return sendInvalid(reply);
    // The password change has ended all known devices. This one is the developer's.
    await this.origins.remember(developer.developerId, version, request, reply);
    sendPage(reply, 200, invitedPage());
  }
}

const sendInvalid = (reply: FastifyReply) =>
  sendPage(
    reply,
    404,
    errorPage(
      'This link is not valid.',
      `It was used already, or it has expired. Ask the operator of ${config.SERVICE_NAME} for a new one.`,
    ),
  );
