import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { InteractionResults } from 'oidc-provider';
import { ApiClientsService } from '../clients/api-clients.service.js';
import { audience } from '../tokens/audience.js';
import { config } from '../config.js';
import { AuthorizationServer, own } from './authorization-server.js';
import { errors } from './oidc-provider.js';
import { consentPage, errorPage, invitedPage, invitePage, loginPage, pagePolicy } from './pages.js';
import { MAX_PASSWORD, MIN_PASSWORD, PasswordsService } from './passwords.service.js';
import { ThrottleService } from './login-throttle.service.js';

type Details = Awaited<ReturnType<Awaited<ReturnType<AuthorizationServer['current']>>['interactionDetails']>>;

type Page = FastifyRequest<{ Params: { uid: string }; Body?: URLSearchParams }>;

/** The pages on which people log in, consent, and choose passwords. */
@Injectable()
export class Interactions {
  constructor(
    private readonly server: AuthorizationServer,
    private readonly clients: ApiClientsService,
    private readonly passwords: PasswordsService,
    private readonly throttle: ThrottleService,
  ) {}

  /** Shows what the authorization waits for. */
  async show(request: Page, reply: FastifyReply): Promise<void> {
    const details = await this.detailsOf(request, reply);
    await this.send(reply, details, 200);
  }

  /** Takes the answer to it. */
  async submit(request: Page, reply: FastifyReply): Promise<void> {
    const details = await this.detailsOf(request, reply);
    assertSameOrigin(request);
    const action = request.body?.get('action');
    if (action === 'cancel' || action === 'deny') {
      await this.finish(request, reply, { error: 'access_denied', error_description: 'The person said no.' });
    } else if (details.prompt.name === 'login' && action === 'login')
      await this.logIn(request, reply, details);
    else if (details.prompt.name === 'consent' && action === 'allow')
      await this.consent(request, reply, details);
    else await this.send(reply, details, 400);
  }

  async showInvite(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { token } = request.query as { token?: unknown };
    const developer = typeof token === 'string' ? await this.passwords.findInvited(token) : undefined;
    if (!developer) sendPage(reply, 404, badInvitePage());
    else sendPage(reply, 200, invitePage(developer.developerId, token as string));
  }

  async acceptInvite(request: Page, reply: FastifyReply): Promise<void> {
    assertSameOrigin(request);
    const token = request.body?.get('token') ?? '';
    const password = request.body?.get('password') ?? '';
    const developer = await this.passwords.findInvited(token);
    if (!developer) return sendPage(reply, 404, badInvitePage());
    const { length } = [...password];
    if (length < MIN_PASSWORD || length > MAX_PASSWORD) {
      const problem = `The password must have ${MIN_PASSWORD} to ${MAX_PASSWORD} characters.`;
      return sendPage(reply, 400, invitePage(developer.developerId, token, problem));
    }
    if (!(await this.passwords.accept(token, password))) return sendPage(reply, 404, badInvitePage());
    sendPage(reply, 200, invitedPage());
  }

  /**
   * The request that the cookie and the URL name: only the browser that began it has the one, and nobody else learns the
   * other.
   *
   * @throws SessionNotFound
   */
  private async detailsOf(request: Page, reply: FastifyReply): Promise<Details> {
    const provider = await this.server.current();
    const details = await provider.interactionDetails(own(request.raw), reply.raw);
    if (details.uid !== request.params.uid)
      throw new errors.SessionNotFound('interaction session id mismatch');
    return details;
  }

  private async logIn(request: Page, reply: FastifyReply, details: Details): Promise<void> {
    const account = request.body?.get('account') ?? '';
    const password = request.body?.get('password') ?? '';
    const seconds = await this.throttle.begin(account, request.ip);
    if (seconds > 0) {
      void reply.header('retry-after', String(seconds));
      const problem = `Too many tries. Try again in ${Math.ceil(seconds / 60)} minutes.`;
      return this.send(reply, details, 429, problem, account);
    }
    if (password.length > 2 * MAX_PASSWORD || !(await this.passwords.verify(account, password))) {
      return this.send(reply, details, 401, 'The developer ID or the password is wrong.', account);
    }
    await this.throttle.succeed(account, request.ip);
    await this.finish(request, reply, { login: { accountId: account } });
  }

  private async consent(request: Page, reply: FastifyReply, details: Details): Promise<void> {
    const provider = await this.server.current();
    const known = details.grantId === undefined ? undefined : await provider.Grant.find(details.grantId);
    const grant =
      known ??
      new provider.Grant({
        accountId: details.session!.accountId,
        clientId: String(details.params.client_id),
      });
    const scopes = missingScopes(details);
    if (scopes.length > 0) {
      // The library asks for them under both names.
      grant.addOIDCScope(scopes.join(' '));
      grant.addResourceScope(audience(), scopes.join(' '));
    }
    await this.finish(request, reply, { consent: { grantId: await grant.save() } });
  }

  private async finish(request: Page, reply: FastifyReply, result: InteractionResults): Promise<void> {
    const provider = await this.server.current();
    const url = await provider.interactionResult(request.raw, reply.raw, result, {
      mergeWithLastSubmission: !('error' in result),
    });
    void reply.header('cache-control', 'no-store').redirect(url, 303);
  }

  private async send(
    reply: FastifyReply,
    { prompt, params, session }: Details,
    status: number,
    problem?: string,
    account?: string,
  ): Promise<void> {
    const client = await this.clients.find(String(params.client_id));
    if (!client) return sendPage(reply, 400, errorPage('The application is not known any more.'));
    const redirectUri = String(params.redirect_uri);
    const scopes = String(params.scope ?? '')
      .split(' ')
      .filter((scope) => client.scopes.some((s) => s === scope));
    const page =
      prompt.name === 'login'
        ? loginPage(client.name, problem, account)
        : consentPage({
            clientName: client.name,
            owner: client.owner?.developerId,
            developerId: session!.accountId,
            scopes,
            redirectUri,
          });
    // Browsers check the form's target after redirects, too, and those end at the application.
    const { protocol, origin } = new URL(redirectUri);
    sendPage(reply, status, page, /^https?:$/.test(protocol) ? origin : protocol);
  }
}

const badInvitePage = () =>
  errorPage('This link is not valid.', 'It works once, and not for ever: ask for a new one.');

function missingScopes({ prompt }: Details): string[] {
  const missing = prompt.details.missingResourceScopes as Record<string, string[]> | undefined;
  return missing?.[audience()] ?? [];
}

export function sendPage(reply: FastifyReply, status: number, page: string, formAction?: string): void {
  void reply
    .status(status)
    .headers({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': pagePolicy(formAction),
      'cache-control': 'no-store',
      // Browsers send Origin with a form only so, and never the URL elsewhere.
      'referrer-policy': 'same-origin',
    })
    .send(page);
}

/** Besides the cookie, which other sites cannot make a browser send with a form. */
function assertSameOrigin({ headers }: FastifyRequest): void {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  const isOther = origin !== undefined && origin !== new URL(config.PUBLIC_URL!).origin;
  if (isOther || (site !== undefined && site !== 'same-origin')) {
    throw new errors.InvalidRequest('The form was sent from another site.');
  }
}
