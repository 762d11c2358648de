import { type ArgumentMetadata, Injectable, type PipeTransform, type Type } from '@nestjs/common';
import { getMetadataStorage, type ValidationError, validateSync } from 'class-validator';
import { type ApiError, invalidRequest } from '../http/api-error.js';
import { isJsonObject, type JsonObject } from './rules.js';

/** Characters of `details`. A body of 1 MiB can have 100,000 unknown fields. */
const MAX_DETAILS = 2_000;

/** One 400 that names every invalid field. */
function invalidFields(messages: string[]): ApiError {
  const details = messages.join('; ');
  return invalidRequest(details.length > MAX_DETAILS ? `${details.slice(0, MAX_DETAILS)} …` : details);
}

/** One 400 that names every field that should not be there. */
export const unknownFields = (names: string[]): ApiError =>
  invalidFields(names.map((name) => `property ${name} should not exist`));

function toValidationError(errors: ValidationError[]): ApiError {
  const messages = errors.flatMap((error) =>
    error.value === undefined && error.constraints && !('whitelistValidation' in error.constraints)
      ? [`${error.property} is required`]
      : Object.values(error.constraints ?? { invalid: `${error.property} is invalid` }),
  );
  return invalidFields(messages);
}

const QUERY_INTEGERS = Symbol('query integers');

const queryIntegersOf = (prototype: object): string[] => Reflect.getMetadata(QUERY_INTEGERS, prototype) ?? [];

/** Marks a query parameter: its decimal digits become a number before validation. */
export const ParseInteger = (): PropertyDecorator => (prototype, name) =>
  Reflect.defineMetadata(QUERY_INTEGERS, [...queryIntegersOf(prototype), name], prototype);

/** The defaults of the DTO, then the values of the request: unchanged, except for query integers. */
function toInstance(dto: Type<object>, plain: object): object {
  const instance = Object.assign(new dto() as JsonObject, plain);
  for (const name of queryIntegersOf(dto.prototype)) {
    const value = instance[name];
    if (typeof value === 'string' && /^\d{1,16}$/.test(value))
      Object.assign(instance, { [name]: Number(value) });
  }
  return instance;
}

/**
 * Memo: class-validator collects the rules of a class for each object anew, which is half the time of a
 * validation. The rules are fixed after start, and this application has no validation groups.
 */
function rememberRules(): void {
  const storage = getMetadataStorage();
  const collect = storage.getTargetValidationMetadatas.bind(storage);
  const rules = new Map<unknown, ReturnType<typeof collect>>();
  storage.getTargetValidationMetadatas = (type, ...options) => {
    const known = rules.get(type) ?? collect(type, ...options);
    rules.set(type, known);
    return known;
  };
}
rememberRules();

/**
 * A DTO with a fast parser for a hot path. Its decorators state the same rules and give the error messages.
 */
interface SelfParsing extends Type<object> {
  /** @returns undefined for invalid input */
  parse?: (value: object) => object | undefined;
}

/**
 * The global pipe. A body or a query has exactly the fields of its DTO; the error names every other one.
 *
 * Not Nest's ValidationPipe: it walks the whole body in search of binary values and changes it on the way.
 */
@Injectable()
export class RequestValidationPipe implements PipeTransform {
  transform(value: unknown, { type, metatype }: ArgumentMetadata): unknown {
    const dto = metatype as SelfParsing | undefined;
    if (!dto || (type !== 'body' && type !== 'query')) return value;
    if (!isJsonObject(value)) throw invalidRequest('The body must be a JSON object.');
    // Prototype pollution: class-validator takes inherited names (`toString`, `__proto__`) for declared ones.
    const inherited = Object.keys(value).filter((name) => name in Object.prototype);
    if (inherited.length > 0) throw unknownFields(inherited);
    const parsed = dto.parse?.(value);
    if (parsed) return parsed;
    const instance = toInstance(dto, value);
    const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true });
    if (errors.length > 0) throw toValidationError(errors);
    return instance;
  }
}
