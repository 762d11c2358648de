import type { Configuration } from 'oidc-provider';
import { CLIENT_SCOPES } from '../access/scopes.js';
import type { ApiClientsService } from '../clients/api-clients.service.js';
import { config } from '../config.js';
import type { DevelopersService } from '../developers/developers.service.js';
import { audience } from '../tokens/audience.js';
import { publicPath } from '../http/public-path.js';
import { errorPageOf } from './error-words.js';
import { OPENID } from './openid.js';
import { errors } from './oidc-provider.js';
import { loggedOutPage, logoutPage } from './pages.js';

/** Lifetimes in seconds. */
const LIFETIMES = {
  AccessToken: 3_600,
  ClientCredentials: 3_600,
  AuthorizationCode: 60,
  /** Since its last use: rotation, each use returns a new one. */
  RefreshToken: 30 * 86_400,
  Grant: 365 * 86_400,
  /** Time to log in, and then to consent. */
  Interaction: 900,
  /** A login session, since its last use. Before a login, such as at the logout page, it is short. */
  Session: (_context: unknown, { accountId }: { accountId?: string }) =>
    accountId === undefined ? 900 : 86_400,
  IdToken: 3_600,
};

/** Characters of parameters of an authorization request, and of all together: they are stored. */
const MAX_LENGTHS: Record<string, number> = { state: 2_048, login_hint: 512 };
const MAX_TOTAL = 6_144;

/** Paths of the library's endpoints, under PUBLIC_URL. */
export const ROUTES = {
  authorization: '/oauth/authorize',
  token: '/oauth/token',
  jwks: '/oauth/jwks',
  revocation: '/oauth/revoke',
  introspection: '/oauth/introspect',
  end_session: '/oauth/logout',
};

/** Not the library's. */
export const USER_INFO = '/oauth/userinfo';

/** The library's settings, without adapters and keys. */
export function providerConfiguration(
  clients: ApiClientsService,
  developers: DevelopersService,
): Configuration {
  return {
    routes: ROUTES,
    scopes: [...CLIENT_SCOPES, OPENID],
    extraClientMetadata: { properties: ['pkce'] },
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    // The library calls the check once the client and the redirect URI are known to be right.
    extraParams: { state: ({ oidc }) => assertLengths(oidc.params!) },
    // RFC 9700, section 2.1.1: a public client must use it.
    pkce: { required: (_context, client) => client.pkce !== 'optional' },
    allowOmittingSingleRegisteredRedirectUri: false,
    ttl: LIFETIMES,
    rotateRefreshToken: true,
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
    // A logout ends the session of the browser. Grants and their tokens stay.
    expiresWithSession: async () => false,
    revokeGrantPolicy: (context) => context.oidc.route !== 'end_session_confirm',
    // CORS_ORIGINS is the one rule for all routes (`withoutOwnCors`).
    clientBasedCORS: () => true,
    findAccount: async (_context, developerId) => {
      const developer = await developers.find(developerId);
      return developer && { accountId: developerId, claims: async () => ({ sub: developerId }) };
    },
    // Of the library's two kinds of access tokens, its own endpoint takes those that are no JWT (user-info.ts).
    discovery: { userinfo_endpoint: config.PUBLIC_URL + USER_INFO },
    interactions: { url: (_context, { uid }) => `${publicPath('/oauth/interaction')}/${uid}` },
    formats: {
      customizers: {
        jwt: async (_context, token, { payload }) => {
          if (token.kind === 'AccessToken') payload.grant = token.grantId;
          // Client credentials: the client acts for its owner.
          else payload.sub = (await clients.find(token.clientId!))?.owner?.developerId;
        },
      },
    },
    renderError: (context, _out, error) => {
      context.type = 'html';
      context.body = errorPageOf(error);
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      // Not routed here. Without this line the metadata would offer it.
      pushedAuthorizationRequests: { enabled: false },
      // The API does not check that a token is bound to a key (RFC 9449), so it must not issue such tokens.
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
          const isLogin = oidc.route === 'authorization';
          // A refresh may omit the scope: it keeps the granted ones.
          if (isLogin || oidc.params!.grant_type === 'client_credentials') {
            // RFC 6749, section 3.3: the default is what the client may have at the API.
            oidc.params!.scope ??= CLIENT_SCOPES.filter((name) => scopesOf(client.scope).includes(name)).join(
              ' ',
            );
            assertScope(oidc.params!.scope, isLogin ? [...CLIENT_SCOPES, OPENID] : CLIENT_SCOPES);
          }
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

/** Clients introspect and revoke their own tokens only. */
const isOwnToken = (_context: unknown, client: { clientId: string }, token: { clientId?: string }) =>
  token.clientId === client.clientId;

/** @throws InvalidRequest (RFC 6749, section 4.1.2.1) */
function assertLengths(params: Record<string, unknown>): void {
  for (const [name, maximum] of Object.entries(MAX_LENGTHS)) {
    const value = params[name];
    if (typeof value === 'string' && value.length > maximum)
      throw new errors.InvalidRequest(`the ${name} must not be longer than ${maximum} characters`);
  }
  const given = Object.values(params).filter((value) => value !== undefined);
  if (given.join('').length > MAX_TOTAL)
    throw new errors.InvalidRequest(`the request must not be longer than ${MAX_TOTAL} characters`);
}

const scopesOf = (scope: unknown): string[] => (typeof scope === 'string' ? scope.split(' ') : []);

/** A token without scopes would fail at the API. @throws InvalidScope without at least one of these scopes */
function assertScope(scope: unknown, known: readonly string[]): void {
  const requested = scopesOf(scope);
  if (known.some((name) => requested.includes(name))) return;
  throw new errors.InvalidScope(`scope must contain ${known.join(' or ')}`, requested.join(' '));
}
