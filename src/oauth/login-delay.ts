/** Attempts of an account within the window that are answered at once. */
const FREE = 10;

/** Seconds. */
const FIRST = 0.25;
const LONGEST = 8;

/** Exponential backoff: seconds that an attempt waits. @param attempts of the account, this one included */
export const delayOf = (attempts: number) =>
  attempts <= FREE ? 0 : Math.min(FIRST * 2 ** (attempts - FREE - 1), LONGEST);
