import { ApiError, missingParameter } from '../http/api-error.js';

// RFC 3339, section 5.6. A space in place of the sign of the offset is a `+` that was not percent-encoded.
const SINCE =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+\- ])(\d\d):(\d\d))?)?$/;

const MINUTE = 60_000;

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
 * The `since` of a sync request, in ms since 1970. Accepts RFC 3339 with `Z` or any offset and any fraction;
 * a date alone means midnight, no offset means UTC. Digits beyond the millisecond are cut off: events have
 * whole milliseconds, so `datetime > since` holds for the same ones.
 *
 * @param since a string; a list if the parameter was repeated
 * @throws ApiError 422 if it is missing or empty, 400 if it is invalid (spec/sync-endpoint.md)
 */
export function parseSince(since: unknown): number {
  if (since === undefined || since === '') throw missingParameter('since');
  const match = typeof since === 'string' ? SINCE.exec(since) : null;
  if (!match) throw invalidSince();
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((digits) => Number(digits ?? 0));
  const [fraction = '', sign, offsetHours = '0', offsetMinutes = '0'] = match.slice(7);
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, '0'));
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second, milliseconds);
  // A date that does not exist (30 February, 24:00, a leap second) rolls over to another one.
  const isReal =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  if (!isReal || Number(offsetHours) > 23 || Number(offsetMinutes) > 59) throw invalidSince();
  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * MINUTE;
  const instant = date.getTime() + (sign === '-' ? offset : -offset);
  return Math.min(Math.max(instant, FIRST), LAST);
}

/** A datetime as a cursor: the `rwgps_datetime` of an answer, and the `since` of the next request. */
export const cursorOf = (datetime: Date) => datetime.toISOString().replace('Z', '+00:00');
