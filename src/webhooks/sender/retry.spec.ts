import { describe, expect, it } from '@jest/globals';
import { parseRetryAfter, retryDelay } from './retry.js';

const HOUR = 3_600_000;

/** When the attempts are made, in ms after the first. */
function attempts(random: number): number[] {
  const times = [0];
  for (let failed = 1; failed < 60; failed++) times.push(times.at(-1)! + retryDelay(failed, random));
  return times;
}

describe('retryDelay', () => {
  it.each([0, 0.5, 1])('grows for a day and then stays as it is (random %d)', (random) => {
    const delays = attempts(random).map((time, i, all) => time - (all[i - 1] ?? 0));
    const steady = delays.slice(24);
    expect(new Set(steady).size).toBe(1);
    expect(steady[0]).toBe(8 * HOUR * (1 + random / 4));
    const growing = delays.slice(1, 23);
    expect(growing).toEqual([...growing].sort((a, b) => a - b));
    expect(growing[0]).toBe(5_000 * (1 + random / 4));
    expect(attempts(random).at(24)).toBeGreaterThanOrEqual(24 * HOUR);
  });

  it('makes more than 20 attempts in a day, and some in each that follows', () => {
    const inDay = (day: number) =>
      attempts(1).filter((time) => time >= day * 24 * HOUR && time < (day + 1) * 24 * HOUR).length;
    expect(inDay(0)).toBeGreaterThan(20);
    for (const day of [1, 2, 3, 4]) expect(inDay(day)).toBeGreaterThanOrEqual(2);
  });

  it('is not the same for all that failed together', () => {
    expect(new Set(Array.from({ length: 20 }, () => retryDelay(20))).size).toBeGreaterThan(1);
  });
});

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');

  it.each([
    ['120', 120_000],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 23:00:00 GMT', 0],
    ['999999999999', 24 * HOUR],
    ['Fri, 01 Jan 2100 00:00:00 GMT', 24 * HOUR],
    ['-5', 0],
    ['soon', 0],
    ['', 0],
    [undefined, 0],
  ])('of %j is %d ms', (header, delay) => {
    expect(parseRetryAfter(header, undefined, now)).toBe(delay);
    expect(parseRetryAfter(header, 'no date', now)).toBe(delay);
  });

  it('goes by the clock of the receiver', () => {
    const header = 'Thu, 01 Jan 2026 00:01:00 GMT';
    const hourAgo = now - HOUR;
    expect(parseRetryAfter(header, 'Thu, 01 Jan 2026 00:00:50 GMT', hourAgo)).toBe(10_000);
    expect(parseRetryAfter('120', 'Thu, 01 Jan 2026 00:00:50 GMT', hourAgo)).toBe(120_000);
  });
});
