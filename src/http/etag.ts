import type { FastifyRequest } from 'fastify';
import { ApiError } from './api-error.js';

/** The tags of `If-Match` or `If-None-Match`. Our tags contain no comma, so a plain split finds them. */
const tagsOf = (header: string) => header.split(',').map((tag) => tag.trim());

/**
 * True when the caller already has this version: answer 304 (RFC 9110, section 13.1.2: weak comparison).
 *
 * `Cache-Control: no-cache` in the request does not matter here, unlike in the usual libraries: it asks
 * caches, not the origin, and `fetch` adds it to every request that has an `If-None-Match` of its own.
 */
export function isNotModified(request: FastifyRequest, etag: string): boolean {
  const ifNoneMatch = request.headers['if-none-match'];
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.trim() === '*' || tagsOf(ifNoneMatch).some((tag) => tag.replace(/^W\//, '') === etag);
}

/**
 * Refuses a write whose `If-Match` does not name the current version (RFC 9110, section 13.1.1: strong
 * comparison, so a weak tag never matches). Call it under the lock that the write holds.
 *
 * @throws ApiError 412
 */
export function assertIfMatch(ifMatch: string | undefined, etag: string): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  if (!tagsOf(ifMatch).includes(etag)) {
    throw new ApiError(412, 'precondition_failed', 'Precondition failed', `The current version is ${etag}.`);
  }
}
