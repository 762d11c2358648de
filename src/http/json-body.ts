import { ApiError } from './api-error.js';

/** Content type of answers whose JSON text PostgreSQL has written. */
export const JSON_TYPE = 'application/json; charset=utf-8';

/** Nesting that `data` or `metadata` may have (`{"a":[]}` is 2). */
const MAX_NESTING = 100;

/** Objects, arrays and members of objects in one body: each takes up to 0.6 µs and some 100 bytes. */
const MAX_NODES = 100_000;

/** Significant digits that a double can hold; a literal with more of them would come back changed. */
const MAX_SIGNIFICANT_DIGITS = 17;

/** Every number with so few digits is kept, unless its exponent puts it out of range. */
const SAFE_DIGITS = 15;

/** The smallest double with all its digits; smaller ones have fewer. */
const MIN_NORMAL = 2 ** -1022;

const utf8 = new TextDecoder('utf-8', { fatal: true });

const invalidJson = (details: string) => new ApiError(400, 'invalid_json', 'Invalid JSON', details);

/**
 * Parses a request body so that what is stored is what was sent, or fails with 400: a lenient parser would
 * silently change big integers, overflowing numbers, repeated keys and broken UTF-8.
 *
 * DoS: it blocks the event loop, some 10 to 40 ms a MiB, whatever the JSON.
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
  const { members, hasNegativeZero } = scan(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidJson((error as Error).message);
  }
  // JSON.stringify has no -0: as a value, it would differ from the 0 that is stored.
  if (hasNegativeZero) value = JSON.parse(JSON.stringify(value));
  // In valid UTF-8 without escapes, there is no lone surrogate, and JSON allows no NUL.
  const hasEscapes = text.includes('\\u');
  if (countMembers(value, hasEscapes) !== members) throw invalidJson('An object has the same key twice.');
  return value;
}

/**
 * Checks nesting, size and numbers, without building anything.
 *
 * @returns the number of object members, and whether a number is -0; exact for valid JSON
 * @throws ApiError 400
 */
function scan(text: string): { members: number; hasNegativeZero: boolean } {
  let depth = 0;
  let members = 0;
  let containers = 0;
  let hasNegativeZero = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) i = endOfString(text, i);
    else if (c === 0x7b || c === 0x5b) {
      containers++;
      // The body around `data` is one level more. Checked first: what reads the value is recursive.
      if (++depth > MAX_NESTING + 1)
        throw invalidJson(`Values are nested deeper than ${MAX_NESTING} levels.`);
    } else if (c === 0x7d || c === 0x5d) depth--;
    else if (c === 0x3a) members++;
    else if (c === 0x2d || isDigit(c)) {
      const start = i;
      let hasExponent = false;
      while (isInNumber(text.charCodeAt(i + 1)))
        if ((text.charCodeAt(++i) | 0x20) === 0x65) hasExponent = true;
      if (c === 0x2d && text.charCodeAt(start + 1) === 0x30 && Number(text.slice(start, i + 1)) === 0)
        hasNegativeZero = true;
      if (hasExponent || i - start >= SAFE_DIGITS) assertKept(text.slice(start, i + 1));
    }
    if (members + containers > MAX_NODES)
      throw invalidJson(`There are more than ${MAX_NODES} objects, arrays and members.`);
  }
  return { members, hasNegativeZero };
}

/** @returns the index of the closing quote */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5c) i++;
    else if (c === 0x22) return i;
  }
  return text.length;
}

const isDigit = (c: number) => c >= 0x30 && c <= 0x39;
/** `0` to `9`, `+`, `-`, `.`, `e`, `E` */
const isInNumber = (c: number) =>
  isDigit(c) || c === 0x2e || c === 0x2b || c === 0x2d || c === 0x65 || c === 0x45;

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
 * A literal is kept if a double can give it back: as JavaScript prints it or, unless it is an integer, with as
 * many digits as it has here.
 *
 * @throws ApiError 400
 */
function assertKept(literal: string): void {
  const value = Number(literal);
  const size = Math.abs(value);
  if (literal.length <= SAFE_DIGITS && size >= MIN_NORMAL && size < Infinity) return;
  const printed = String(value);
  if (printed === literal) return;
  const digits = significantDigits(literal);
  const isPrintedAs = (text: string) => significantDigits(text) === digits;
  const isKept =
    digits === '' ||
    isPrintedAs(printed) ||
    (!Number.isInteger(value) &&
      digits.length <= MAX_SIGNIFICANT_DIGITS &&
      isPrintedAs(value.toPrecision(digits.length)));
  if (!isKept) {
    throw invalidJson(`The number ${literal.slice(0, 40)} cannot be kept exactly; send it as a string.`);
  }
}

/** PostgreSQL has no NUL character in text and UTF-8 has no lone surrogates. */
export function isStorableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** The number of object members in a value. @param hasEscapes strings have to be checked */
function countMembers(value: unknown, hasEscapes: boolean): number {
  if (hasEscapes && typeof value === 'string' && !isStorableText(value)) {
    throw invalidJson('A string contains a NUL character or a lone surrogate.');
  }
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += countMembers(item, hasEscapes);
    return members;
  }
  for (const key of Object.keys(value)) {
    members += 1 + countMembers((value as Record<string, unknown>)[key], hasEscapes);
    if (hasEscapes) countMembers(key, hasEscapes);
  }
  return members;
}
