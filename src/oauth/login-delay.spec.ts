import { expect, it } from '@jest/globals';
import { delayOf } from './login-delay.js';

it('the first attempts are free, the next ones wait twice as long each time, up to 8 s', () => {
  const delays = [1, 10, 11, 12, 13, 14, 15, 16, 17, 1_000_000].map(delayOf);
  expect(delays).toEqual([0, 0, 0.25, 0.5, 1, 2, 4, 8, 8, 8]);
});
