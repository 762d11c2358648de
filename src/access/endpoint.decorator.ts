import { applyDecorators, HttpCode, Param, type Type } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { ApiOperation, ApiParam, ApiResponse, type ApiResponseNoStatusOptions } from '@nestjs/swagger';
import { ApiErrors } from '../api/errors.decorator.js';
import { ParseText, ParseUuid } from '../api/params.js';
import type { ApiError } from '../http/api-error.js';
import { Access } from './access.decorator.js';
import type { Scope } from './scopes.js';

interface EndpointOptions {
  summary: string;
  description?: string;
  /** Status, description and body of the answer. */
  returns: [status: number, description: string, type?: Type];
  /** Headers and examples of the answer. */
  answer?: Pick<ApiResponseNoStatusOptions, 'headers'> & object;
  /** Besides 401, 403, 500 and 503, and 413 and 415 of a route with a body. */
  errors?: (ApiError | number)[];
}

/** Access, status and documentation of a route, in one place. */
export const Endpoint = (
  scope: Scope,
  { summary, description, returns, answer, errors = [] }: EndpointOptions,
) => {
  const [status, meaning, type] = returns;
  return applyDecorators(Access(scope), ((target: object, key: string, descriptor: PropertyDescriptor) => {
    const parameters: object = Reflect.getMetadata(ROUTE_ARGS_METADATA, target.constructor, key) ?? {};
    // RouteParamtypes.BODY
    const hasBody = Object.keys(parameters).some((name) => name.startsWith('3:'));
    for (const decorate of [
      HttpCode(status),
      ApiOperation({ summary, description }),
      ApiResponse({ status, type, description: meaning, ...answer }),
      ApiErrors(...errors, ...(hasBody ? [413, 415] : [])),
    ])
      decorate(target, key, descriptor);
  }) as MethodDecorator);
};

const documentedParam = (
  pipe: typeof ParseUuid | typeof ParseText,
  name: string,
  schema: object,
): ParameterDecorator => {
  return (target, key, index) => {
    Param(name, pipe)(target, key, index);
    const descriptor = Object.getOwnPropertyDescriptor(target, key!)!;
    ApiParam({ name, ...schema })(target, key!, descriptor);
  };
};

/** A UUID in the path, checked and documented. */
export const IdParam = (description: string, name = 'id') =>
  documentedParam(ParseUuid, name, { format: 'uuid', description });

/** A name of 1 to 255 characters in the path, checked and documented. */
export const TextParam = (name: string, description: string, example?: string) =>
  documentedParam(ParseText, name, { description, ...(example !== undefined && { example }) });
