import { parseDatetime } from '../api/datetime.js';
import { ApiError, missingParameter } from '../http/api-error.js';

/** Range of a year of four digits. An offset may move a datetime out of it. */
const FIRST = Date.parse('0000-01-01T00:00:00Z');
const LAST = Date.parse('9999-12-31T23:59:59.999Z');

export const invalidSince = () =>
  new ApiError(
    400,
    'invalid_since',
    'Invalid since parameter format',
    'Expected ISO8601 datetime format (e.g., 2024-09-01T00:00:00Z)',
  );

/**
 * The `since` of a sync request, in ms since 1970. A date alone means midnight, no offset means UTC. Digits beyond
 * the millisecond are cut off: events have whole milliseconds, so `datetime > since` holds for the same ones.
 *
 * @param since a string; a list if the parameter was repeated
 * @throws ApiError 422 if it is missing or empty, 400 if it is invalid (spec/sync-endpoint.md)
 */
export function parseSince(since: unknown): number {
  if (since === undefined || since === '') throw missingParameter('since');
  const parsed = typeof since === 'string' ? parseDatetime(since) : undefined;
  if (!parsed) throw invalidSince();
  return Math.min(Math.max(parsed.time, FIRST), LAST);
}

/** A datetime as a cursor: the `rwgps_datetime` of an answer, and the `since` of the next request. */
export const cursorOf = (datetime: Date) => datetime.toISOString().replace('Z', '+00:00');
