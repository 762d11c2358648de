import { expect } from '@jest/globals';
import type { Answer } from './api.js';

/** Internals that no response may leak: SQL, stack traces, file names, names of libraries. */
const INTERNALS = new RegExp(
  [
    /\bSELECT\b|\bINSERT INTO\b|\bUPDATE\b.*\bSET\b|QueryFailed/,
    /typeorm|postgres|pglite|fastify|node_modules|FST_ERR|\.[cm]?[jt]s:\d|\n\s+at /,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

/** Expects an error body: `error`, `code`, optionally `details`, nothing else, and no internals. */
export function expectErrorBody(body: unknown): void {
  expect(body).toEqual({
    error: expect.stringMatching(/./),
    code: expect.stringMatching(/^[a-z_]+$/),
    ...(Object.hasOwn(Object(body), 'details') && { details: expect.stringMatching(/./) }),
  });
  expect(JSON.stringify(body)).not.toMatch(INTERNALS);
}

/**
 * Expects an error response with this status and code.
 *
 * @param parts of `details`, in any order
 */
export function expectError(
  { status, body }: Answer,
  expected: number,
  code: string,
  ...parts: string[]
): void {
  expect({ status, body }).toMatchObject({ status: expected, body: { code } });
  expectErrorBody(body);
  for (const part of parts) expect(body.details).toContain(part);
}
