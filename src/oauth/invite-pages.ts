import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { assertSameOrigin, sendPage } from './page-reply.js';
import { errorPage, invitedPage, invitePage } from './pages.js';
import { MAX_PASSWORD, MIN_PASSWORD, PasswordsService } from './passwords.service.js';

/** The page of an invite link, on which a developer chooses a password. */
@Injectable()
export class InvitePages {
  constructor(private readonly passwords: PasswordsService) {}

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
    const { length } = [...password];
    if (length < MIN_PASSWORD || length > MAX_PASSWORD) {
      const problem = `The password must have ${MIN_PASSWORD} to ${MAX_PASSWORD} characters.`;
      return sendPage(reply, 400, invitePage(developer.developerId, token, problem));
    }
    if (await this.passwords.accept(token, password)) sendPage(reply, 200, invitedPage());
    else sendInvalid(reply);
  }
}

const sendInvalid = (reply: FastifyReply) =>
  sendPage(
    reply,
    404,
    errorPage('This link is not valid.', 'It was used already, or it has expired: ask for a new one.'),
  );
