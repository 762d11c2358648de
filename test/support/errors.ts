import { expect } from '@jest/globals';
import type { Answer } from './api.js';

/** What no caller should ever read: SQL, stacks, file names, the libraries behind the API. */
const INTERNALS =
  /\bSELECT\b|\bINSERT INTO\b|\bUPDATE\b.*\bSET\b|QueryFailed|typeorm|postgres|pglite|fastify|node_modules|FST_ERR|\.[cm]?[jt]s:\d|\n\s+at /i;

/** The body of an error: `error`, `code`, perhaps `details`, nothing else, and nothing internal in them. */
export function expectErrorBody(body: unknown): void {
  expect(body).toEqual({
    error: expect.stringMatching(/./),
    code: expect.stringMatching(/^[a-z_]+$/),
    ...(Object.hasOwn(Object(body), 'details') && { details: expect.stringMatching(/./) }),
  });
  expect(JSON.stringify(body)).not.toMatch(INTERNALS);
}

/**
 * @param says what `details` must contain, in any order
 */
export function expectError(
  { status, body }: Answer,
  expected: number,
  code: string,
  ...says: string[]
): void {
  expect({ status, body }).toMatchObject({ status: expected, body: { code } });
  expectErrorBody(body);
  for (const text of says) expect(body.details).toContain(text);
}
