/** In ms. */
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

const FIRST_DELAY = 5 * SECOND;
const GROWTH = 1.5;

/** Reached after a day of failures. */
const LONGEST_DELAY = 8 * HOUR;

/** The longest `Retry-After` that counts. */
const LONGEST_RETRY_AFTER = 24 * HOUR;

/**
 * Jitter: at most so much of the delay is added, so that attempts that failed together do not return
 * together.
 */
const JITTER = 0.25;

/**
 * Exponential backoff after so many failed attempts, in ms: 5 s, and each time half as much more. The 24th
 * attempt is made a day after the first; from then on there is one every 8 to 10 hours.
 *
 * @param random from 0 to 1
 */
export function retryDelay(failedAttempts: number, random = Math.random()): number {
  const delay = Math.min(FIRST_DELAY * GROWTH ** (failedAttempts - 1), LONGEST_DELAY);
  return Math.round(delay * (1 + JITTER * random));
}

/**
 * `Retry-After` of an answer (RFC 9110, section 10.2.3) in ms, a day at most; 0 if it is missing or
 * malformed.
 *
 * @param date `Date` of the answer: a datetime is as far ahead as the receiver's clock says, not ours
 */
export function parseRetryAfter(header: string | undefined, date = '', now = Date.now()): number {
  if (header === undefined) return 0;
  const sentAt = Date.parse(date);
  const delay = /^\d+$/.test(header)
    ? Number(header) * SECOND
    : Date.parse(header) - (Number.isNaN(sentAt) ? now : sentAt);
  return Number.isNaN(delay) ? 0 : Math.min(Math.max(delay, 0), LONGEST_RETRY_AFTER);
}
