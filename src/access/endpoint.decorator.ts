import { applyDecorators, HttpCode, Param, type Type, UseGuards } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { ApiOperation, ApiParam, ApiResponse, type ApiResponseNoStatusOptions } from '@nestjs/swagger';
import { ApiErrors } from '../api/errors.decorator.js';
import { ID_EXAMPLE } from '../api/fields.js';
import { ParseText, ParseUuid } from '../api/params.js';
import { unknownFields } from '../api/validation.pipe.js';
import type { ApiError } from '../http/api-error.js';
import { Access } from './access.decorator.js';
import { NoQueryGuard } from './no-query.guard.js';
import type { Scope } from './scopes.js';

interface EndpointOptions {
  summary: string;
  description?: string;
  /** Status, description and body of the answer. */
  returns: [status: number, description: string, type?: Type];
  /** More about the answer: headers, examples, a schema in place of a type. */
  answer?: ApiResponseNoStatusOptions;
  /** Errors besides 400 for unknown query parameters, 401, 403, 500 and 503, and 413 and 415 of a route with a body. */
  errors?: (ApiError | number)[];
}

/** Every route refuses unknown query parameters; the examples of a route come in its place. */
const UNKNOWN_PARAMETER = unknownFields(['colour']);

/** Access, status and documentation of a route, in one place. */
export const Endpoint = (
  scope: Scope,
  { summary, description, returns, answer, errors = [] }: EndpointOptions,
) => {
  const [status, meaning, type] = returns;
  return applyDecorators(Access(scope), ((target: object, key: string, descriptor: PropertyDescriptor) => {
    const parameters: object = Reflect.getMetadata(ROUTE_ARGS_METADATA, target.constructor, key) ?? {};
    const has = (type: RouteParamtypes) =>
      Object.keys(parameters).some((name) => name.startsWith(`${type}:`));
    const hasBody = has(RouteParamtypes.BODY);
    if (!has(RouteParamtypes.QUERY)) UseGuards(NoQueryGuard)(target, key, descriptor);
    for (const decorate of [
      HttpCode(status),
      ApiOperation({ summary, description }),
      ApiResponse({ status, type, description: meaning, ...answer }),
      ApiErrors(UNKNOWN_PARAMETER, ...errors, ...(hasBody ? [413, 415] : [])),
    ])
      decorate(target, key, descriptor);
  }) as MethodDecorator);
};

/** A parameter in the path, documented. @param pipe check; undefined: the route checks it */
export const PathParam = (
  name: string,
  schema: object,
  pipe?: typeof ParseUuid | typeof ParseText,
): ParameterDecorator => {
  return (target, key, index) => {
    Param(name, ...(pipe ? [pipe] : []))(target, key, index);
    const descriptor = Object.getOwnPropertyDescriptor(target, key!)!;
    ApiParam({ name, ...schema })(target, key!, descriptor);
  };
};

/** A UUID in the path, checked and documented. */
export const IdParam = (description: string, name = 'id') =>
  PathParam(name, { format: 'uuid', description, example: ID_EXAMPLE }, ParseUuid);

/** A name of 1 to 255 characters in the path, checked and documented. */
export const TextParam = (name: string, description: string, example: string) =>
  PathParam(name, { description, example }, ParseText);

/** A positive integer in the path, documented. The route gets the text, and answers 404 to any other one. */
export const NumberParam = (name: string, description: string, example: number) =>
  PathParam(name, { schema: { type: 'integer', minimum: 1, example }, description });
