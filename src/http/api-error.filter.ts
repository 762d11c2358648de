import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { STATUS_CODES } from 'node:http';
import { QueryFailedError } from 'typeorm';
import { requestRefused } from '../signals/signals.js';
import { ApiError, type ErrorCode, serviceUnavailable } from './api-error.js';
import { varyOn } from './cors.js';
import { drainRequestBody } from './drain-request-body.js';
import { NOT_FOUND_PAGE } from './not-found-page.js';
import { sendPage } from './page.js';
import { prefersHtml } from './prefers-html.js';

/** Code and text of errors that the framework raises; other 4xx go by their standard names. */
const FRAMEWORK_ERRORS: Record<number, [ErrorCode, string]> = {
  400: ['invalid_request', 'Invalid request'],
  404: ['not_found', 'Not found'],
  412: ['precondition_failed', 'Precondition failed'],
  413: ['payload_too_large', 'Payload too large'],
  414: ['invalid_request', 'URI too long'],
  415: ['unsupported_media_type', 'Unsupported media type'],
};

/**
 * Transient errors, by SQLSTATE or socket error: the connection is lost (08), the database is being replaced
 * (3D000), the server lacks a resource
 * (53), starts, stops (57P0x) or is read-only (25006), a statement was cancelled (57014), lock_timeout
 * (55P03), idle_in_transaction_session_timeout (25P03), a serialization failure (40001), a deadlock (40P01)
 * or a row that is gone since the request was authenticated, in a restore of the database (23503).
 */
const DATABASE_UNAVAILABLE =
  /^(08...|3D000|53...|57P0.|57014|55P03|25006|25P03|23503|40001|40P01|E(CONNREFUSED|CONNRESET|NOENT|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH))$/;
const CONNECTION_LOST = [
  'timeout exceeded when trying to connect',
  'Connection terminated',
  'Client has encountered a connection error',
  'Client was closed',
  'Query runner already released',
  'Database connection provided by a query runner was already released',
  'Cannot use a pool after calling end',
  'Query read timeout',
];

const LOCK_TIMEOUT = '55P03';

const causeOf = (exception: unknown): unknown =>
  exception instanceof QueryFailedError ? exception.driverError : exception;

function isDatabaseUnavailable(exception: unknown): boolean {
  const cause = causeOf(exception);
  if (!(cause instanceof Error)) return false;
  const { code } = cause as { code?: unknown };
  return (
    (typeof code === 'string' && DATABASE_UNAVAILABLE.test(code)) ||
    CONNECTION_LOST.some((text) => cause.message.startsWith(text))
  );
}

/** The answer to any error. Only an ApiError carries its own text: nothing internal leaks. */
export function toApiError(exception: unknown): ApiError {
  if (exception instanceof ApiError) return exception;
  const status =
    exception instanceof HttpException
      ? exception.getStatus()
      : (exception as { statusCode?: number } | undefined)?.statusCode;
  if (status !== undefined && status >= 400 && status < 500) {
    const [code, text] = FRAMEWORK_ERRORS[status] ?? [
      'invalid_request',
      STATUS_CODES[status] ?? 'Invalid request',
    ];
    return new ApiError(status, code, text);
  }
  if ((causeOf(exception) as { code?: unknown } | undefined)?.code === LOCK_TIMEOUT)
    return serviceUnavailable('Another transaction has held a lock for too long.');
  if (isDatabaseUnavailable(exception)) return serviceUnavailable('The database cannot be reached.');
  return new ApiError(500, 'internal_error', 'Internal server error');
}

const logger = new Logger('ApiErrorFilter');

/** The error that the client of a request gets. It is counted, and a 5xx is logged with its cause. */
export function reportError(exception: unknown, reqId: string): ApiError {
  const error = toApiError(exception);
  requestRefused.publish({ code: error.code });
  // A 503 of our own is a limit that a caller may reach a thousand times a second: its line in the log is enough.
  if (error.getStatus() >= 500 && error !== exception)
    logger.error({ err: exception, reqId }, `request failed: ${error.message}`);
  return error;
}

/** Answers every error in one shape, and logs 5xx with the cause. People who open an unknown path get a page. */
@Catch()
export class ApiErrorFilter implements ExceptionFilter {
  async catch(exception: unknown, host: ArgumentsHost): Promise<void> {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const error = reportError(exception, reply.request.id);
    // Headers of the answer that failed (an ETag, a Location) must not go out with the error.
    for (const name of ['etag', 'location', 'content-type']) void reply.removeHeader(name);
    void reply.header('cache-control', 'no-store');
    await drainRequestBody(reply);
    // No route: errors of our own routes are ApiErrors.
    if (error.getStatus() === 404 && error !== exception) {
      void reply.header('vary', varyOn('Accept'));
      if (/^(GET|HEAD)$/.test(reply.request.method) && prefersHtml(reply.request))
        return sendPage(reply, 404, NOT_FOUND_PAGE);
    }
    void reply.status(error.getStatus()).headers(error.headers).send(error.getResponse());
  }
}
