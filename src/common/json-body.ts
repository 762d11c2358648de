import { parse } from 'lossless-json';
import { ApiError } from './api-error.js';

/** Containers inside each other that `data` or `metadata` may have (`{"a":[]}` is 2). */
const MAX_NESTING = 100;

/** Digits that a double can hold; a literal with more of them would come back changed. */
const MAX_SIGNIFICANT_DIGITS = 17;

const utf8 = new TextDecoder('utf-8', { fatal: true });

const invalidJson = (details: string) => new ApiError(400, 'invalid_json', 'Invalid JSON', details);

/**
 * Parses a request body so that what is stored is what was sent, or fails with 400: a lenient parser would
 * silently change big integers, overflowing numbers, repeated keys and broken UTF-8.
 *
 * @param body the bytes as received; empty gives undefined
 * @throws ApiError 400 `invalid_json`
 */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    throw invalidJson('The body is not valid UTF-8.');
  }
  // The body around `data` is one level more. Checked first, because the parser below is recursive.
  if (nesting(text) > MAX_NESTING + 1)
    throw invalidJson(`Values are nested deeper than ${MAX_NESTING} levels.`);
  let value: unknown;
  try {
    value = parse(text, undefined, { parseNumber: exactNumber });
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw invalidJson((error as Error).message);
  }
  // Raw control characters are no JSON and the text is valid UTF-8, so only an escape can make a bad string.
  if (text.includes('\\u')) assertStorableStrings(value);
  return value;
}

/** Deepest nesting of brackets outside strings; exact for valid JSON. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
}

/** The digits of a number literal that carry its value: `-0.0120e5` has `12`. */
function significantDigits(literal: string): string {
  return literal
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+|0+$/g, '');
}

function exactNumber(literal: string): number {
  const value = Number(literal);
  const digits = significantDigits(literal);
  const isKept =
    Number.isFinite(value) &&
    (value !== 0 || digits === '') &&
    digits.length <= MAX_SIGNIFICANT_DIGITS &&
    (!Number.isInteger(value) || Number.isSafeInteger(value) || significantDigits(String(value)) === digits);
  if (!isKept) {
    throw invalidJson(`The number ${literal.slice(0, 40)} cannot be kept exactly; send it as a string.`);
  }
  return value;
}

/** PostgreSQL has no NUL character in text and UTF-8 has no lone surrogates. */
export function isStorableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function assertStorableStrings(value: unknown): void {
  if (typeof value === 'string') {
    if (!isStorableText(value)) throw invalidJson('A string contains a NUL character or a lone surrogate.');
  } else if (value !== null && typeof value === 'object') {
    for (const [key, member] of Object.entries(value)) {
      assertStorableStrings(key);
      assertStorableStrings(member);
    }
  }
}
