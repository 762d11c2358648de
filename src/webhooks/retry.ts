/** In ms. */
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

const FIRST_DELAY = 5 * SECOND;
const GROWTH = 1.5;

/** Reached after a day of failures. */
const LONGEST_DELAY = 8 * HOUR;

/** The most that a receiver may ask for. */
const LONGEST_RETRY_AFTER = 24 * HOUR;

/** Added at most, as a part of the delay, so that what has failed together does not come back together. */
const JITTER = 0.25;

/**
 * How long to wait after so many failed attempts, in ms: 5 s, and each time half as much more. The 24th attempt is made a
 * day after the first; from then on there is one every 8 to 10 hours.
 *
 * @param random from 0 to 1
 */
export function retryDelay(failedAttempts: number, random = Math.random()): number {
  const delay = Math.min(FIRST_DELAY * GROWTH ** (failedAttempts - 1), LONGEST_DELAY);
  return Math.round(delay * (1 + JITTER * random));
}

/**
 * What `Retry-After` of an answer asks for (RFC 9110, section 10.2.3), in ms, a day at most; 0 for nothing that can be
 * understood.
 */
export function parseRetryAfter(header: string | undefined, now = Date.now()): number {
  if (header === undefined) return 0;
  const delay = /^\d+$/.test(header) ? Number(header) * SECOND : Date.parse(header) - now;
  return Number.isNaN(delay) ? 0 : Math.min(Math.max(delay, 0), LONGEST_RETRY_AFTER);
}
