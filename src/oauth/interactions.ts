import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { InteractionResults } from 'oidc-provider';
import { ApiClientsService } from '../clients/api-clients.service.js';
import { sendPage } from '../http/page.js';
import { audience } from '../tokens/audience.js';
import { AuthorizationServer } from './authorization-server.js';
import { LoginOrigins } from './login-origins.service.js';
import { Logins } from './logins.js';
import { errors, type Provider, withForwardedHeaders } from './oidc-provider.js';
import { OPENID } from './openid.js';
import { assertSameOrigin } from './page-reply.js';
import { consentPage, errorPage, loginPage } from './pages.js';

type InteractionRequest = FastifyRequest<{ Params: { uid: string }; Body?: URLSearchParams }>;

/** One request to the page of an authorization request that waits for a login or a consent. */
interface Interaction {
  provider: Provider;
  details: Awaited<ReturnType<Provider['interactionDetails']>>;
  request: InteractionRequest;
  reply: FastifyReply;
}

/** Scopes that a consent has to give. */
interface MissingScopes {
  missingOIDCScope?: string[];
  missingResourceScopes?: Record<string, string[]>;
}

/** The login and the consent page, between /oauth/authorize and the redirect to the application. */
@Injectable()
export class Interactions {
  constructor(
    private readonly server: AuthorizationServer,
    private readonly clients: ApiClientsService,
    private readonly logins: Logins,
    private readonly origins: LoginOrigins,
  ) {}

  /** Shows the login or the consent page. */
  async show(request: InteractionRequest, reply: FastifyReply): Promise<void> {
    await this.send(await this.open(request, reply), 200);
  }

  /** Takes the form of that page. */
  async submit(request: InteractionRequest, reply: FastifyReply): Promise<void> {
    const interaction = await this.open(request, reply);
    assertSameOrigin(request);
    const action = request.body?.get('action');
    const prompt = interaction.details.prompt.name;
    if (action === 'cancel' || action === 'deny') await this.finish(interaction, DENIED);
    else if (prompt === 'login' && action === 'login') await this.logIn(interaction);
    else if (prompt === 'consent' && action === 'allow') await this.consent(interaction);
    else await this.send(interaction, 400);
  }

  /**
   * The interaction of the cookie, which must be the one of the URL: only the browser that began it has the
   * cookie, and other sites do not know the URL.
   *
   * @throws SessionNotFound
   */
  private async open(request: InteractionRequest, reply: FastifyReply): Promise<Interaction> {
    const provider = await this.server.current();
    const details = await provider.interactionDetails(withForwardedHeaders(request.raw), reply.raw);
    if (details.uid !== request.params.uid)
      throw new errors.SessionNotFound('interaction session id mismatch');
    return { provider, details, request, reply };
  }

  private async logIn(interaction: Interaction): Promise<void> {
    const { request, reply } = interaction;
    const account = request.body?.get('account') ?? '';
    const password = request.body?.get('password') ?? '';
    const result = await this.logins.verify(account, password, request, reply);
    if ('problem' in result) return this.send(interaction, result.status, result.problem, account);
    const { version } = result;
    await this.origins.remember(account, version, request, reply);
    await this.finish(interaction, { login: { accountId: account, amr: [version] } });
  }

  private async consent(interaction: Interaction): Promise<void> {
    const { provider, details } = interaction;
    const known = details.grantId === undefined ? undefined : await provider.Grant.find(details.grantId);
    const clientId = String(details.params.client_id);
    const grant = known ?? new provider.Grant({ accountId: details.session!.accountId, clientId });
    // The library checks both: scopes of OpenID Connect, and those of the resource (RFC 8707).
    const { missingOIDCScope, missingResourceScopes } = details.prompt.details as MissingScopes;
    if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
    const scopes = missingResourceScopes?.[audience()];
    if (scopes) grant.addResourceScope(audience(), scopes.join(' '));
    await this.finish(interaction, { consent: { grantId: await grant.save() } });
  }

  /** Stores the result, and sends the browser back to the library. */
  private async finish({ provider, request, reply }: Interaction, result: InteractionResults): Promise<void> {
    const url = await provider.interactionResult(request.raw, reply.raw, result, {
      mergeWithLastSubmission: !('error' in result),
    });
    void reply.header('cache-control', 'no-store').redirect(url, 303);
  }

  private async send(
    { details, reply }: Interaction,
    status: number,
    problem?: string,
    account?: string,
  ): Promise<void> {
    const { prompt, params, session } = details;
    const client = await this.clients.find(String(params.client_id));
    if (!client) return sendPage(reply, 400, errorPage('The application no longer exists.'));
    const redirectUri = String(params.redirect_uri);
    const requested = String(params.scope ?? '').split(' ');
    const page =
      prompt.name === 'login'
        ? loginPage(client.name, problem, account)
        : consentPage({
            clientName: client.name,
            owner: client.owner?.developerId,
            developerId: session!.accountId,
            scopes: requested.filter((scope) =>
              [...client.scopes, OPENID].some((allowed) => allowed === scope),
            ),
            redirectUri,
          });
    // Browsers apply `form-action` to the redirects after a form, too, and those end at the application.
    const { protocol, origin } = new URL(redirectUri);
    sendPage(reply, status, page, /^https?:$/.test(protocol) ? origin : protocol);
  }
}

/** RFC 6749, section 4.1.2.1. */
const DENIED = { error: 'access_denied', error_description: 'The resource owner denied the request.' };
