import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { ErrorBody } from './api-error.js';

const DOCUMENTED = {
  400: {
    description: 'Malformed or unknown parameters or fields, each of them named.',
    example: {
      error: 'Invalid request',
      details: 'resourceKey is required; property color should not exist',
      code: 'invalid_request',
    },
  },
  404: {
    description: 'There is no such thing.',
    example: { error: 'Not found', details: 'There is no record 0192….', code: 'not_found' },
  },
  409: {
    description: 'The combination of developerId, resourceType and resourceKey exists already.',
    example: {
      error: 'Conflict',
      details: 'A record with this developerId, resourceType and resourceKey exists already.',
      code: 'conflict',
    },
  },
  412: {
    description: 'The record has changed: it is no longer the version that If-Match names.',
    example: {
      error: 'Precondition failed',
      details: 'The current version is "m4x".',
      code: 'precondition_failed',
    },
  },
  413: {
    description: 'The body is larger than BODY_LIMIT.',
    example: { error: 'Payload too large', code: 'payload_too_large' },
  },
  415: {
    description: 'The body is not application/json.',
    example: { error: 'Unsupported media type', code: 'unsupported_media_type' },
  },
  422: {
    description: 'A required parameter is missing.',
    example: { error: 'Missing required parameter: since', code: 'missing_parameter' },
  },
  500: {
    description: 'Unexpected server-side issue.',
    example: { error: 'Internal server error', code: 'internal_error' },
  },
  503: {
    description: 'The database cannot be reached just now. Try again after Retry-After seconds.',
    example: { error: 'Service unavailable', code: 'service_unavailable' },
  },
} as const;

type DocumentedStatus = Exclude<keyof typeof DOCUMENTED, 500 | 503>;

/** Documents the error answers of a route; 500 and 503 can come from every one. */
export const ApiErrors = (...statuses: DocumentedStatus[]) =>
  applyDecorators(
    ...[...statuses, 500 as const, 503 as const].map((status) =>
      ApiResponse({ status, type: ErrorBody, ...DOCUMENTED[status] }),
    ),
  );
