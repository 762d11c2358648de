import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { FastifyRequest } from 'fastify';
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { AccessTokensService } from '../tokens/access-tokens.service.js';
import { ApiClientsService } from '../clients/api-clients.service.js';
import { CLIENT_SCOPES } from '../access/scopes.js';
import { audience } from '../tokens/audience.js';
import { DevelopersService } from '../developers/developers.service.js';
import { GrantsService } from '../tokens/grants.service.js';
import type { ServerKey } from '../tokens/server-key.entity.js';
import { ServerKeysService } from '../tokens/server-keys.service.js';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { amend } from './jwt-introspection.js';
import { ClientAdapter } from './client-adapter.js';
import { cookieKeysOf } from './cookie-keys.js';
import { GrantAdapter } from './grant-adapter.js';
import { errors, Provider } from './oidc-provider.js';
import { errorPage, loggedOutPage, logoutPage } from './pages.js';
import { StateAdapter } from './state-adapter.js';

/** How long things live, in seconds. */
export const LIFETIMES = {
  AccessToken: 3_600,
  ClientCredentials: 3_600,
  AuthorizationCode: 60,
  /** Since its last use: each use makes a new one. */
  RefreshToken: 30 * 86_400,
  Grant: 365 * 86_400,
  /** The time to log in and to consent. */
  Interaction: 3_600,
  /** A login, since its last use. */
  Session: 86_400,
  IdToken: 3_600,
};

/** The requests that the library answers, under PUBLIC_URL. */
export const ROUTES = {
  authorization: '/oauth/authorize',
  token: '/oauth/token',
  jwks: '/oauth/jwks',
  revocation: '/oauth/revoke',
  introspection: '/oauth/introspect',
  end_session: '/oauth/logout',
};

/** `oidc-provider` with our clients, developers and database. */
@Injectable()
export class AuthorizationServer {
  private readonly logger = new Logger(AuthorizationServer.name);
  private provider?: Provider;
  /** What the provider was made of. */
  private madeOf = '';

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly clients: ApiClientsService,
    private readonly developers: DevelopersService,
    private readonly grants: GrantsService,
    private readonly serverKeys: ServerKeysService,
    private readonly accessTokens: AccessTokensService,
  ) {}

  /** The library knows the keys that it was made with only: with other keys there is a new provider. */
  async current(): Promise<Provider> {
    const keys = await this.serverKeys.current();
    const madeOf = [...keys, ...cookieKeysOf(keys)].map(({ id }) => id).join(' ');
    if (!this.provider || this.madeOf !== madeOf) {
      this.provider = this.make(keys);
      this.madeOf = madeOf;
    }
    return this.provider;
  }

  /** Answers a request whose body has not been read. */
  async handle(request: FastifyRequest, response: ServerResponse): Promise<void> {
    const provider = await this.current();
    await provider.callback()(own(request.raw), response);
  }

  private make(keys: readonly ServerKey[]): Provider {
    const { clients } = this;
    const adapterOf = (model: string) => {
      if (model === 'Client') return new ClientAdapter(this.clients);
      if (model === 'Grant') return new GrantAdapter(this.grants, this.developers);
      return new StateAdapter(model, this.dataSource, this.grants);
    };
    const provider = new Provider(config.PUBLIC_URL!, {
      ...this.settings(),
      adapter: adapterOf,
      jwks: {
        keys: keys.filter(({ purpose }) => purpose === 'token').map(({ id, jwk }) => ({ ...jwk, kid: id })),
      },
      cookies: {
        names: { session: 'tidemark_login', interaction: 'tidemark_request', resume: 'tidemark_resume' },
        keys: cookieKeysOf(keys).map(({ jwk }) => jwk.k!),
        long: { signed: true, httpOnly: true, sameSite: 'lax', path: pathOf('/oauth') },
        short: { signed: true, httpOnly: true, sameSite: 'lax' },
      },
    });
    provider.use(amend(this.accessTokens));
    // PUBLIC_URL says how the server is reached: `own` states it in the headers that this makes the library believe.
    provider.proxy = true;
    provider.Client.prototype.compareClientSecret = async function (secret: string) {
      const client = await clients.find(this.clientId);
      return client !== undefined && clients.verifySecret(client, secret);
    };
    const report = (context: KoaContextWithOIDC, error: Error) =>
      this.logger.error({ err: error, reqId: context.res.getHeader('x-request-id') }, 'authorization failed');
    provider.on('server_error', report);
    // Of Koa, whose types the library hides: it would write to the console.
    (provider as EventEmitter).on('error', (error) => this.logger.error(error));
    return provider;
  }

  private settings(): Configuration {
    return {
      routes: ROUTES,
      scopes: [...CLIENT_SCOPES],
      responseTypes: ['code'],
      clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      pkce: { required: () => true },
      allowOmittingSingleRegisteredRedirectUri: false,
      ttl: LIFETIMES,
      rotateRefreshToken: true,
      issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
      // Logging out ends the login, not what applications were let do.
      expiresWithSession: async () => false,
      revokeGrantPolicy: (context) => context.oidc.route !== 'end_session_confirm',
      clientBasedCORS: (_context, origin, client) =>
        client.redirectUris?.some((uri) => URL.canParse(uri) && new URL(uri).origin === origin) ?? false,
      findAccount: async (_context, developerId) => {
        const developer = await this.developers.find(developerId);
        return developer && { accountId: developerId, claims: async () => ({ sub: developerId }) };
      },
      interactions: { url: (_context, { uid }) => `${pathOf('/oauth/interaction')}/${uid}` },
      formats: {
        customizers: {
          jwt: async (_context, token, { payload }) => {
            if (token.kind === 'AccessToken') payload.grant = token.grantId;
            // With client credentials it acts for its owner.
            else payload.sub = (await this.clients.find(token.clientId!))?.owner?.developerId;
          },
        },
      },
      renderError: (context, { error, error_description }) => {
        context.type = 'html';
        context.body = errorPage(error_description ?? error);
      },
      features: {
        devInteractions: { enabled: false },
        userinfo: { enabled: false },
        // Not among ROUTES, and offered in the metadata without this.
        pushedAuthorizationRequests: { enabled: false },
        // The API takes bearer tokens: one that is bound to a key would promise more than is checked.
        dPoP: { enabled: false },
        clientCredentials: { enabled: true },
        revocation: { enabled: true, allowedPolicy: isOwnToken },
        introspection: { enabled: true, allowedPolicy: isOwnToken },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource: (context, form) => {
            context.body = logoutPage(form);
          },
          postLogoutSuccessSource: (context) => {
            context.body = loggedOutPage();
          },
        },
        resourceIndicators: {
          enabled: true,
          defaultResource: audience,
          useGrantedResource: () => true,
          getResourceServerInfo: ({ oidc }, resource, client) => {
            if (resource !== audience()) throw new errors.InvalidTarget();
            // A code or a token for nothing would fail where nobody knows why. Who refreshes may leave it out.
            if (oidc.route === 'authorization' || oidc.params!.grant_type === 'client_credentials')
              assertScope(oidc.params!.scope);
            return {
              scope: client.scope ?? '',
              audience: resource,
              accessTokenFormat: 'jwt',
              accessTokenTTL: LIFETIMES.AccessToken,
              jwt: { sign: { alg: 'ES256' } },
            };
          },
        },
      },
    };
  }
}

/** Clients learn of, and end, their own tokens only. */
const isOwnToken = (_context: unknown, client: { clientId: string }, token: { clientId?: string }) =>
  token.clientId === client.clientId;

/** @throws InvalidScope */
function assertScope(scope: unknown): void {
  const requested = typeof scope === 'string' ? scope.split(' ') : [];
  if (CLIENT_SCOPES.some((known) => requested.includes(known))) return;
  throw new errors.InvalidScope(`scope must be of ${CLIENT_SCOPES.join(' and ')}`, requested.join(' '));
}

/** A path as browsers see it, with the prefix of PUBLIC_URL. */
const pathOf = (path: string) => new URL(config.PUBLIC_URL!).pathname.replace(/\/$/, '') + path;

/** States in a request how the server is reached, whatever the client says. */
export function own(request: IncomingMessage): IncomingMessage {
  const { protocol, host } = new URL(config.PUBLIC_URL!);
  request.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  request.headers['x-forwarded-host'] = host;
  // What was asked for before a proxy took the prefix away: the library puts it before all of its paths.
  return Object.assign(request, { originalUrl: pathOf(request.url!) });
}
