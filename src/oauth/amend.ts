import type { JWTPayload } from 'jose';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { AccessTokensService } from '../auth/access-tokens.service.js';
import { CLIENT_SCOPES } from '../auth/api-client.dto.js';
import { config } from '../config.js';

/**
 * The library revokes and introspects what it keeps, and refuses access tokens, which are JWTs and which it does not keep,
 * with `unsupported_token_type`: by then it has authenticated the client. This answers instead, after the same rules: a
 * client learns of, and ends, its own tokens only, and is not told which others there are (RFC 7009, RFC 7662).
 */
export function revokeAndIntrospectJwts(tokens: AccessTokensService) {
  return async (context: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    if ((context.body as { error?: unknown } | undefined)?.error !== 'unsupported_token_type') return;
    const { client, params, provider, route } = context.oidc;
    try {
      const claims = await tokens.verify(String(params!.token));
      const own = claims?.client_id === client!.clientId ? claims : undefined;
      if (route === 'revocation') {
        if (own) await tokens.revoke(own);
        context.body = '';
      } else context.body = (own && (await introspect(tokens, own))) ?? { active: false };
      context.status = 200;
    } catch (error) {
      // As the library answers when the database cannot be reached.
      provider.emit('server_error', context, error);
      context.body = { error: 'server_error', error_description: 'oops! something went wrong' };
      context.status = 500;
    }
  };
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
