import { describe, expect, it } from '@jest/globals';
import type { FastifyRequest } from 'fastify';
import { ApiError } from './api-error.js';
import { assertIfMatch, isNotModified } from './etag.js';

const ETAG = '"m4x"';

describe('isNotModified', () => {
  const asked = (headers: Record<string, string>) => isNotModified({ headers } as FastifyRequest, ETAG);

  it.each(['"m4x"', 'W/"m4x"', '"a", "m4x"', '"a","m4x" , W/"b"', '"a", W/"m4x"', '*', ' * '])(
    'is true for If-None-Match: %s',
    (header) => {
      expect(asked({ 'if-none-match': header })).toBe(true);
    },
  );

  it.each(['"m4"', '"M4X"', 'm4x', 'w/"m4x"', '"a"', 'W/W/"m4x"', '', ',', '"*"'])(
    'is false for If-None-Match: %s',
    (header) => {
      expect(asked({ 'if-none-match': header })).toBe(false);
    },
  );

  it('is false without If-None-Match: there is no Last-Modified to compare a date with', () => {
    expect(asked({})).toBe(false);
    expect(asked({ 'if-modified-since': 'Fri, 31 Dec 2100 23:59:59 GMT' })).toBe(false);
  });

  it('does not care for Cache-Control, which fetch() adds', () => {
    expect(asked({ 'if-none-match': ETAG, 'cache-control': 'no-cache' })).toBe(true);
  });
});

describe('assertIfMatch', () => {
  it.each([undefined, '"m4x"', '"a", "m4x"', '"m4x",W/"b"', '*', ' * '])('allows If-Match: %s', (header) => {
    expect(() => assertIfMatch(header, ETAG)).not.toThrow();
  });

  it.each(['"m4"', 'W/"m4x"', '"a", W/"m4x"', 'm4x', '', ',', '"*"'])('refuses If-Match: %s', (header) => {
    expect(() => assertIfMatch(header, ETAG)).toThrow(
      new ApiError(412, 'precondition_failed', 'Precondition failed', 'The current version is "m4x".'),
    );
  });
});
