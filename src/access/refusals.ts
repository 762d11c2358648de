import { ApiError } from '../http/api-error.js';
import type { Scope } from './scopes.js';

/** 401 with the challenge of RFC 6750, section 3. @param details undefined: there was no credential */
export const unauthenticated = (details?: string) =>
  new ApiError(
    401,
    details === undefined ? 'authentication_required' : 'invalid_token',
    'Authentication required',
    details,
    {
      'WWW-Authenticate':
        'Bearer realm="tidemark"' +
        (details === undefined ? '' : `, error="invalid_token", error_description="${details}"`),
    },
  );

/** 403 with the challenge of RFC 6750, section 3.1. */
export const insufficientScope = (scope: Scope) =>
  new ApiError(403, 'insufficient_scope', 'Forbidden', `This needs scope ${scope}.`, {
    'WWW-Authenticate': `Bearer realm="tidemark", error="insufficient_scope", scope="${scope}"`,
  });
