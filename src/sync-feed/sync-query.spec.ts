import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RequestValidationPipe } from '../api/validation.pipe.js';
import { ApiError } from '../http/api-error.js';
import { SyncQuery } from './sync-query.js';

const value = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    '*',
    'routes,trips',
    'a,',
    '1',
    '5',
    '0',
    '007',
    '1e2',
    '+1',
    '10000',
    '10001',
    '2024-09-01T00:00:00.000+00:00',
    '2024-02-30T00:00:00Z',
  ),
  fc.constantFrom<unknown>('true', 'false', 'TRUE', 'dev-1', 'x'.repeat(256), '\0', ['5', '6'], ['routes']),
  fc.string(),
);
const query = fc.dictionary(
  fc.oneof(
    fc.constantFrom('since', 'assets', 'limit', 'compact', 'until', 'initial', 'digest', 'developerId'),
    fc.constantFrom('color', 'page'),
  ),
  value,
);

/** class-validator's own verdict: without the hand-written check. */
class Decorated extends SyncQuery {}
Object.defineProperty(Decorated, 'parse', { value: undefined });

const pipe = new RequestValidationPipe();

/** @returns undefined for invalid input */
function decorated(given: object): object | undefined {
  try {
    return { ...(pipe.transform({ ...given }, { type: 'query', metatype: Decorated }) as object) };
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError);
    return undefined;
  }
}

describe('SyncQuery.parse', () => {
  it('accepts exactly what its decorators accept, with the same values', () => {
    fc.assert(
      fc.property(query, (given) => {
        const parsed = SyncQuery.parse(given);
        const validated = decorated(given);
        const defined =
          parsed && Object.fromEntries(Object.entries(parsed).filter(([, v]) => v !== undefined));
        expect(defined).toEqual(validated);
      }),
      { numRuns: 2_000 },
    );
  });
});
