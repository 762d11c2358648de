import { ValidateBy, type ValidationOptions } from 'class-validator';
import { isStorableText } from '../http/json-body.js';
import { parseDatetime } from './datetime.js';

export type JsonObject = Record<string, unknown>;

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A string that PostgreSQL can store. @param min characters: code points, as PostgreSQL counts them */
export function isText(value: unknown, min: number, max: number): value is string {
  if (typeof value !== 'string' || !isStorableText(value)) return false;
  // A code point has at most two UTF-16 units, so a huge string is refused without spreading it.
  const length = value.length > 2 * max ? Infinity : [...value].length;
  return length >= min && length <= max;
}

export function IsText(min: number, max: number, options?: ValidationOptions) {
  return ValidateBy(
    {
      name: 'isText',
      validator: {
        validate: (value: unknown) => isText(value, min, max),
        defaultMessage: (args) =>
          `${args?.property} must be a string of ${min} to ${max} characters, without NUL characters`,
      },
    },
    options,
  );
}

/**
 * A datetime of ISO 8601 that names one moment of the years 0000 to 9999 (datetime.ts). Without an offset, the time
 * zone would be a guess.
 */
export function isDatetime(value: unknown): value is string {
  const parsed = typeof value === 'string' ? parseDatetime(value) : undefined;
  return parsed?.hasOffset === true && /^\d{4}-/.test(new Date(parsed.time).toISOString());
}

export const IsDatetime = () =>
  ValidateBy({
    name: 'isDatetime',
    validator: {
      validate: isDatetime,
      defaultMessage: (args) =>
        `${args?.property} must be a datetime of ISO 8601 with an offset, such as 2030-01-01T00:00:00Z`,
    },
  });

/** A JSON object, kept exactly as parsed. @param maxBytes as compact UTF-8 JSON */
export function IsJsonObject(maxBytes = Infinity): PropertyDecorator {
  return ValidateBy({
    name: 'isJsonObject',
    validator: {
      validate: (value: unknown) =>
        isJsonObject(value) &&
        (maxBytes === Infinity || Buffer.byteLength(JSON.stringify(value)) <= maxBytes),
      defaultMessage: (args) =>
        `${args?.property} must be a JSON object` +
        (maxBytes === Infinity ? '' : ` of at most ${maxBytes} bytes as compact JSON`),
    },
  });
}
