import type { JWTPayload } from 'jose';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { CLIENT_SCOPES } from '../access/scopes.js';
import { config } from '../config.js';
import type { AccessTokensService } from '../tokens/access-tokens.service.js';
import { isLogin, OPENID } from './openid.js';

/** Middleware that corrects the library's responses to introspection and revocation. */
export function jwtIntrospection(tokens: AccessTokensService) {
  return async (context: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    const body = (context.body ?? {}) as Record<string, unknown>;
    const { client, provider, route } = context.oidc;
    if (route === 'introspection' && body.active === true && typeof body.scope === 'string') {
      // A refresh token: the library states its granted scopes, some of which the client may have lost since.
      const allowed = client!.scope?.split(' ');
      const granted = body.scope.split(' ');
      body.scope = granted.filter((scope) => allowed?.includes(scope)).join(' ');
    } else if (body.error === 'unsupported_token_type') {
      try {
        await answerForJwt(context, tokens);
      } catch (error) {
        // The library's own response to a failure. `answerUnavailable` turns it into 503 where one is due.
        provider.emit('server_error', context, error);
        context.body = { error: 'server_error', error_description: 'oops! something went wrong' };
        context.status = 500;
      }
    }
    // RFC 7009 leaves the body open. Client libraries parse JSON, and some fail on an empty text.
    if (route === 'revocation' && context.status === 200) context.body = {};
  };
}

/**
 * Introspection (RFC 7662) and revocation (RFC 7009) of access tokens. The library does not store JWTs, so it
 * refuses them, after it has authenticated the client. The same rules hold here: a client introspects and
 * revokes its own tokens only, and cannot find out which others exist.
 */
async function answerForJwt(context: KoaContextWithOIDC, tokens: AccessTokensService): Promise<void> {
  const { client, params, route } = context.oidc;
  const verified = await tokens.verify(String(params!.token));
  const claims = verified?.client_id === client!.clientId ? verified : undefined;
  if (route === 'revocation') {
    if (claims) await tokens.revoke(claims);
  } else context.body = (claims && (await introspect(tokens, claims))) ?? { active: false };
  context.status = 200;
}

/** The effective scopes, which may be fewer than the token's own; undefined: the token is not active. */
async function introspect(tokens: AccessTokensService, claims: JWTPayload) {
  const caller = await tokens.findCaller(claims);
  if (!caller) return undefined;
  const { sub, client_id, aud, exp, iat, jti } = claims;
  const scopes = CLIENT_SCOPES.filter((scope) => caller.has(scope));
  return {
    active: true,
    token_type: 'Bearer',
    ...{ sub, client_id, iss: config.PUBLIC_URL, aud, exp, iat, jti },
    scope: [...(isLogin(claims) ? [OPENID] : []), ...scopes].join(' '),
  };
}
