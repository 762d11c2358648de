import type { JWTPayload } from 'jose';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { AccessTokensService } from '../tokens/access-tokens.service.js';
import { CLIENT_SCOPES } from '../access/scopes.js';
import { config } from '../config.js';

/** Where the library's answers are not what is true of this server. */
export function amend(tokens: AccessTokensService) {
  return async (context: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    const body = (context.body ?? {}) as Record<string, unknown>;
    const { client, provider, route } = context.oidc;
    if (route === 'discovery') {
      // It adds `openid`, which no client may ask for.
      body.scopes_supported = CLIENT_SCOPES;
    } else if (route === 'introspection' && body.active === true && typeof body.scope === 'string') {
      // Of a refresh token: what was granted, which the client may have lost since.
      const left = client!.scope?.split(' ');
      const granted = body.scope.split(' ');
      body.scope = granted.filter((scope) => left?.includes(scope)).join(' ');
    } else if (body.error === 'unsupported_token_type') {
      try {
        await answerForJwt(context, tokens);
      } catch (error) {
        // As the library answers when the database cannot be reached.
        provider.emit('server_error', context, error);
        context.body = { error: 'server_error', error_description: 'oops! something went wrong' };
        context.status = 500;
      }
    }
  };
}

/**
 * The library revokes and introspects what it keeps, and refuses access tokens, which are JWTs and which it does not keep:
 * by then it has authenticated the client. This answers instead, after the same rules: a client learns of, and ends, its
 * own tokens only, and is not told which others there are (RFC 7009, RFC 7662).
 */
async function answerForJwt(context: KoaContextWithOIDC, tokens: AccessTokensService): Promise<void> {
  const { client, params, route } = context.oidc;
  const claims = await tokens.verify(String(params!.token));
  const own = claims?.client_id === client!.clientId ? claims : undefined;
  if (route === 'revocation') {
    if (own) await tokens.revoke(own);
    context.type = 'text';
    context.body = '';
  } else context.body = (own && (await introspect(tokens, own))) ?? { active: false };
  context.status = 200;
}

/** What a token can still do, which may be less than it says; undefined: nothing. */
async function introspect(tokens: AccessTokensService, claims: JWTPayload) {
  const caller = await tokens.findCaller(claims);
  if (!caller) return undefined;
  const { sub, client_id, aud, exp, iat, jti } = claims;
  return {
    active: true,
    token_type: 'Bearer',
    ...{ sub, client_id, iss: config.PUBLIC_URL, aud, exp, iat, jti },
    scope: CLIENT_SCOPES.filter((scope) => caller.has(scope)).join(' '),
  };
}
