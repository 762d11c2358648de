import { HttpException } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

/** Stable, machine-readable reasons of errors. Clients may rely on them; docs/errors.md lists them. */
export const ERROR_CODES = [
  'invalid_request',
  'invalid_json',
  'invalid_since',
  'authentication_required',
  'invalid_token',
  'insufficient_scope',
  'forbidden',
  'quota_exceeded',
  'not_found',
  'conflict',
  'precondition_failed',
  'cursor_lost',
  'cursor_expired',
  'payload_too_large',
  'unsupported_media_type',
  'rate_limited',
  'missing_parameter',
  'internal_error',
  'service_unavailable',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** The one body of every error answer. */
export class ErrorBody {
  @ApiProperty({ description: 'The error in words.', example: 'Invalid request' })
  error: string;

  @ApiPropertyOptional({
    description: 'The part of the request that is wrong, and the value that was expected.',
    example: 'resourceKey is required',
  })
  details?: string;

  @ApiPropertyOptional({
    description:
      'Only with `cursor_lost` and `cursor_expired`: the URL of a new first sync. Build the copy anew from it.',
    example: 'https://sync.example.com/api/v1/sync.json?since=1970-01-01T00%3A00%3A00Z&compact=true',
  })
  resync_url?: string;

  @ApiProperty({ enum: ERROR_CODES, description: 'Stable reason for programs.', example: 'invalid_request' })
  code: ErrorCode;
}

/** An error with an answer of its own. Any other error becomes a bare 500. */
export class ApiError extends HttpException {
  constructor(
    status: number,
    readonly code: ErrorCode,
    error: string,
    readonly details?: string,
    readonly headers: Record<string, string> = {},
    more: Pick<ErrorBody, 'resync_url'> = {},
  ) {
    super(
      { error, ...(details === undefined ? {} : { details }), code, ...more } satisfies ErrorBody,
      status,
    );
    // For the log; HttpException would set "Api Error".
    this.message = error;
  }
}

export const invalidRequest = (details: string) =>
  new ApiError(400, 'invalid_request', 'Invalid request', details);

export const forbidden = (details: string) => new ApiError(403, 'forbidden', 'Forbidden', details);

export const notFound = (details: string) => new ApiError(404, 'not_found', 'Not found', details);

export const conflict = (details: string) => new ApiError(409, 'conflict', 'Conflict', details);

export const missingParameter = (name: string) =>
  new ApiError(422, 'missing_parameter', `Missing required parameter: ${name}`);

/** @param seconds until a repetition may succeed */
export const tooManyRequests = (details: string, seconds: number, headers: Record<string, string> = {}) =>
  new ApiError(429, 'rate_limited', 'Too many requests', details, {
    'Retry-After': String(seconds),
    ...headers,
  });

/** Retry-After is in seconds. */
export const serviceUnavailable = (details: string) =>
  new ApiError(503, 'service_unavailable', 'Service unavailable', details, { 'Retry-After': '5' });
