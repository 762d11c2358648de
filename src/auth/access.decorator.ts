import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth, ApiResponse } from '@nestjs/swagger';
import { ErrorBody } from '../common/api-error.js';
import type { Caller, Scope } from './caller.js';

export const ACCESS = 'access';

/** Who may call a route: the holder of a scope, or anybody. */
export type AccessRule = Scope | 'public';

/** States the scope that a route needs: for the guard and for its documentation in one place. */
export const Access = (scope: Scope) =>
  applyDecorators(
    SetMetadata<string, AccessRule>(ACCESS, scope),
    ApiBearerAuth('bearer'),
    ApiResponse({
      status: 401,
      type: ErrorBody,
      description: 'Missing, malformed, expired or revoked API key or token.',
      example: { error: 'Authentication required', code: 'authentication_required' },
      headers: { 'WWW-Authenticate': { description: 'RFC 6750', schema: { type: 'string' } } },
    }),
    ApiResponse({
      status: 403,
      type: ErrorBody,
      description: `The credential lacks scope ${scope}, or belongs to another developer.`,
      example: {
        error: 'Forbidden',
        details: 'This credential belongs to another developer.',
        code: 'forbidden',
      },
    }),
  );

/** A route without authentication. */
export const Public = () => SetMetadata<string, AccessRule>(ACCESS, 'public');

/** The authenticated caller of the request. */
export const CurrentCaller = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Caller => context.switchToHttp().getRequest().user,
);
