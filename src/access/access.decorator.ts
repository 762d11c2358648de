import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth, ApiOAuth2 } from '@nestjs/swagger';
import { ApiError, forbidden, tooManyRequests } from '../http/api-error.js';
import { ApiErrorExamples } from '../api/errors.decorator.js';
import type { Caller } from './caller.js';
import type { Scope } from './scopes.js';

export const ACCESS = 'access';

/** Access rule of a route: a required scope, or none. */
export type AccessRule = Scope | 'public';

/** Required scope of a route, for the guard and for OpenAPI. */
export const Access = (scope: Scope) =>
  applyDecorators(
    SetMetadata<string, AccessRule>(ACCESS, scope),
    ApiBearerAuth('bearer'),
    // Applications never get sync:admin.
    ...(scope === 'sync:admin' ? [] : [ApiOAuth2([scope], 'oauth2')]),
    ApiErrorExamples(
      new ApiError(401, 'authentication_required', 'Authentication required'),
      new ApiError(
        401,
        'invalid_token',
        'Authentication required',
        'The API key is unknown, expired or revoked.',
      ),
      new ApiError(403, 'insufficient_scope', 'Forbidden', `This needs scope ${scope}.`),
      tooManyRequests('This credential may make 600000 requests a minute.', 20),
      ...(scope === 'sync:admin' ? [] : [forbidden('This credential belongs to another developer.')]),
    ),
  );

/** A route without authentication. */
export const Public = () => SetMetadata<string, AccessRule>(ACCESS, 'public');

/** The authenticated caller of the request. */
export const CurrentCaller = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Caller => context.switchToHttp().getRequest().user,
);
