import { expect, it } from '@jest/globals';
import { TokenBuckets } from './token-buckets.js';

it('a key has a burst, then a rate, and says how long to wait; keys are independent', () => {
  let now = 0;
  const buckets = new TokenBuckets(3, 0.5, () => now);
  expect([1, 2, 3, 4].map(() => buckets.take('a'))).toEqual([0, 0, 0, 2]);
  expect(buckets.take('b')).toBe(0);
  now += 1_000;
  expect(buckets.take('a')).toBe(1);
  now += 1_000;
  expect([buckets.take('a'), buckets.take('a')]).toEqual([0, 2]);
  now += 3_600_000;
  expect([1, 2, 3, 4].map(() => buckets.take('a'))).toEqual([0, 0, 0, 2]);
});

it('a token that is put back can be taken again, and no bucket overflows', () => {
  const buckets = new TokenBuckets(1, 1, () => 0);
  buckets.putBack('a');
  expect([buckets.take('a'), buckets.take('a')]).toEqual([0, 1]);
  buckets.putBack('a');
  expect(buckets.take('a')).toBe(0);
});
