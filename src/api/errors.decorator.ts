import { applyDecorators } from '@nestjs/common';
import { ApiResponse, type ApiResponseExamples } from '@nestjs/swagger';
import { type ApiError, ErrorBody, serviceUnavailable } from '../http/api-error.js';
import { toApiError } from '../http/api-error.filter.js';

const DESCRIPTIONS: Record<number, string> = {
  400: 'Malformed, missing or unknown parameters or fields, each of them named.',
  401: 'Missing, malformed, expired or revoked API key or token.',
  403: 'Valid authentication, but without the required scope, or for another developer.',
  404: 'The resource does not exist, or belongs to another developer.',
  409: 'The request conflicts with the current state of the resource.',
  410: 'The cursor is of a lost time, or too old: start anew with `resync_url`.',
  412: 'The record has changed since the version in If-Match.',
  413: 'The body is larger than BODY_LIMIT (1 MiB unless configured).',
  415: 'The body is not application/json.',
  422: 'A required parameter is missing.',
  429: 'Too many requests of this credential, or refused credentials of this address. Try again after Retry-After.',
  500: 'Unexpected server-side issue.',
  503: 'The database cannot be reached, or a limit is reached. Try again after Retry-After seconds.',
};

const HEADERS: Record<number, Record<string, string>> = {
  401: { 'WWW-Authenticate': 'Authentication that is expected (RFC 6750).' },
  403: { 'WWW-Authenticate': 'Scope that is required, if that is the reason (RFC 6750).' },
  429: {
    'Retry-After': 'Seconds to wait.',
    'RateLimit-Policy': 'Requests (`q`) in so many seconds (`w`); every answer to a valid credential has it.',
    RateLimit: 'Requests left (`r`) in the next so many seconds (`t`); likewise.',
  },
  503: { 'Retry-After': 'Seconds to wait.' },
};

/** OpenAPI headers of an answer. @param headers description by name */
export const documentHeaders = (headers: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { description, schema: { type: 'string' as const } },
    ]),
  );

/**
 * Documents errors of a route. Several errors of one status become several examples.
 *
 * @param errors the objects that are thrown; a status for an error of the framework
 */
export const ApiErrorExamples = (...errors: (ApiError | number)[]) => {
  const examples: Record<number, Record<string, ApiResponseExamples>> = {};
  for (const given of errors) {
    const error = typeof given === 'number' ? toApiError({ statusCode: given }) : given;
    const examplesOfStatus = (examples[error.getStatus()] ??= {});
    examplesOfStatus[error.code] = { summary: error.details ?? error.message, value: error.getResponse() };
  }
  return applyDecorators(
    ...Object.entries(examples).map(([status, examplesOfStatus]) =>
      ApiResponse({
        status: Number(status),
        type: ErrorBody,
        description: DESCRIPTIONS[Number(status)],
        headers: documentHeaders(HEADERS[Number(status)] ?? {}),
        examples: examplesOfStatus,
      }),
    ),
  );
};

/** Documents all errors of a route except 401 and 403 (see `@Access`). Every route can answer 500 and 503. */
export const ApiErrors = (...errors: (ApiError | number)[]) =>
  ApiErrorExamples(...errors, 500, serviceUnavailable('The database cannot be reached.'));
