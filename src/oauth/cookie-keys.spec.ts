import { expect, it } from '@jest/globals';
import type { SigningKey } from '../tokens/signing-key.entity.js';
import { cookieKeysOf } from './cookie-keys.js';

const now = Date.UTC(2026, 0, 1);

/** Keys of these ages, in seconds. */
const keysOf = (ages: number[]) =>
  ages.flatMap((age) =>
    (['token', 'cookie'] as const).map((purpose): SigningKey => ({
      id: `${purpose} ${age}`,
      purpose,
      json: '{}',
      jwk: {},
      createdAt: new Date(now - age * 1_000),
      expiresAt: null,
    })),
  );

it.each([
  ['the newest that every process knows signs', [6, 60, 600], [6, 60, 600]],
  ['one that not every process knows does not sign yet', [4, 60, 600], [60, 600, 4]],
  ['where none is old enough, the oldest signs', [1, 2, 3], [3, 2, 1]],
  ['a key from before the clock stepped back signs', [-3_600, 600], [-3_600, 600]],
  ['a key of a process whose clock is ahead does not sign yet', [-30, 600], [600, -30]],
  ['a key that stands alone signs at once', [0], [0]],
])('%s', (_name, ages, order) => {
  const keys = cookieKeysOf(keysOf(ages), now);
  expect(keys.map(({ id }) => id)).toEqual(order.map((age) => `cookie ${age}`));
});
