import fresh from 'fresh';
import type { FastifyRequest } from 'fastify';
import { ApiError } from './api-error.js';

/** True when the caller already has this version: answer 304 (RFC 9110, section 13.1.2). */
export function isNotModified(request: FastifyRequest, etag: string): boolean {
  return fresh(request.headers, { etag });
}

/**
 * Refuses a write whose `If-Match` does not name the current version (RFC 9110, section 13.1.1: strong
 * comparison, so a weak tag never matches). Call it under the lock that the write holds.
 *
 * @throws ApiError 412
 */
export function assertIfMatch(ifMatch: string | undefined, etag: string): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  const tags = ifMatch.split(',').map((tag) => tag.trim());
  if (!tags.includes(etag)) {
    throw new ApiError(412, 'precondition_failed', 'Precondition failed', `The current version is ${etag}.`);
  }
}
