import { applyDecorators } from '@nestjs/common';
import { ApiResponse, type ApiResponseExamples } from '@nestjs/swagger';
import { type ApiError, ErrorBody, serviceUnavailable } from '../http/api-error.js';
import { toApiError } from '../http/api-error.filter.js';

const DESCRIPTIONS: Record<number, string> = {
  400: 'Malformed, missing or unknown parameters or fields, each of them named.',
  401: 'Missing, malformed, expired or revoked API key or token.',
  403: 'Valid authentication, but without the scope that this needs, or for another developer.',
  404: 'There is no such thing.',
  409:
    'What is there stands against it: the combination of developerId, resourceType and resourceKey exists already, an API key ' +
    'has ended, a client has all the webhooks that it may have.',
  412: 'The record has changed: it is no longer the version that If-Match names.',
  413: 'The body is larger than BODY_LIMIT (1 MiB unless configured).',
  415: 'The body is not application/json.',
  422: 'A required parameter is missing.',
  500: 'Unexpected server-side issue.',
  503: 'The database cannot be reached just now. Try again after Retry-After seconds.',
};

const HEADERS: Record<number, Record<string, string>> = {
  401: { 'WWW-Authenticate': 'What is expected (RFC 6750).' },
  403: { 'WWW-Authenticate': 'The scope that is missing, if it is that (RFC 6750).' },
  503: { 'Retry-After': 'Seconds to wait.' },
};

/** Headers of an answer, all of them text, by name and meaning. */
export const documentHeaders = (headers: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { description, schema: { type: 'string' as const } },
    ]),
  );

/**
 * Documents errors of a route: each by the very error that is thrown, or, for what the framework says by itself, by
 * its status. Several errors of one status become several examples.
 */
export const ApiErrorExamples = (...errors: (ApiError | number)[]) => {
  const examples: Record<number, Record<string, ApiResponseExamples>> = {};
  for (const given of errors) {
    const error = typeof given === 'number' ? toApiError({ statusCode: given }) : given;
    const ofStatus = (examples[error.getStatus()] ??= {});
    ofStatus[error.code] = { summary: error.details ?? error.message, value: error.getResponse() };
  }
  return applyDecorators(
    ...Object.entries(examples).map(([status, ofStatus]) =>
      ApiResponse({
        status: Number(status),
        type: ErrorBody,
        description: DESCRIPTIONS[Number(status)],
        headers: documentHeaders(HEADERS[Number(status)] ?? {}),
        examples: ofStatus,
      }),
    ),
  );
};

/** The same for all errors of a route but 401 and 403, which `@Access` knows; 500 and 503 can come from every one. */
export const ApiErrors = (...errors: (ApiError | number)[]) =>
  ApiErrorExamples(...errors, 500, serviceUnavailable('The database cannot be reached.'));
