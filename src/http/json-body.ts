import { parse } from 'lossless-json';
import { ApiError } from './api-error.js';

/** Content type of answers whose JSON text PostgreSQL has written. */
export const JSON_TYPE = 'application/json; charset=utf-8';

/** Nesting that `data` or `metadata` may have (`{"a":[]}` is 2). */
const MAX_NESTING = 100;

/** Significant digits that a double can hold; a literal with more of them would come back changed. */
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
  const { depth, members } = measure(text);
  // The body around `data` is one level more. Checked first, because the parser below is recursive.
  if (depth > MAX_NESTING + 1) throw invalidJson(`Values are nested deeper than ${MAX_NESTING} levels.`);
  let value: unknown;
  try {
    value = parse(text, undefined, { parseNumber: exactNumber });
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw invalidJson((error as Error).message);
  }
  // The parser lets a repeated key pass if it takes the values for equal, as it does `[]` and `{}`.
  if (countMembers(value) !== members) throw invalidJson('An object has the same key twice.');
  return value;
}

/** The deepest nesting of brackets and the number of object members; exact for valid JSON. */
function measure(text: string): { depth: number; members: number } {
  let depth = 0;
  let deepest = 0;
  let members = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x7d || c === 0x5d) depth--;
    else if (c === 0x3a) members++;
  }
  return { depth: deepest, members };
}

/** The digits of a number literal that carry its value: `-0.0120e5` has `12`. */
function significantDigits(literal: string): string {
  const digits = literal
    .replace(/[eE].*/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '');
  // No `/0+$/`: on a megabyte of zeros that a last digit follows, it would take its square in time.
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return digits.slice(0, end);
}

/**
 * The value of a literal that a double can give back: as JavaScript prints it or, unless it is an integer,
 * with as many digits as it has here.
 */
function exactNumber(literal: string): number {
  const value = Number(literal);
  const digits = significantDigits(literal);
  const isPrintedAs = (text: string) => significantDigits(text) === digits;
  const isKept =
    digits === '' ||
    isPrintedAs(String(value)) ||
    (!Number.isInteger(value) &&
      digits.length <= MAX_SIGNIFICANT_DIGITS &&
      isPrintedAs(value.toPrecision(digits.length)));
  if (!isKept) {
    throw invalidJson(`The number ${literal.slice(0, 40)} cannot be kept exactly; send it as a string.`);
  }
  // JSON.stringify() writes -0 as 0.
  return value + 0;
}

/** PostgreSQL has no NUL character in text and UTF-8 has no lone surrogates. */
export function isStorableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** The number of object members in a value, all of whose strings must be storable. */
function countMembers(value: unknown): number {
  if (typeof value === 'string' && !isStorableText(value)) {
    throw invalidJson('A string contains a NUL character or a lone surrogate.');
  }
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countMembers(item), 0);
  return Object.entries(value).reduce(
    (sum, [key, member]) => sum + 1 + countMembers(key) + countMembers(member),
    0,
  );
}
