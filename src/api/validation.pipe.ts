import {
  type ArgumentMetadata,
  type Type,
  type ValidationError,
  Injectable,
  ValidationPipe,
} from '@nestjs/common';
import { type ApiError, invalidRequest } from '../http/api-error.js';
import { isJsonObject, type JsonObject } from './rules.js';

/** Characters of `details`. A body of 1 MiB can have 100,000 unknown fields. */
const MAX_DETAILS = 2_000;

/** One 400 that names every invalid field. */
function invalidFields(messages: string[]): ApiError {
  const details = messages.join('; ');
  return invalidRequest(details.length > MAX_DETAILS ? `${details.slice(0, MAX_DETAILS)} …` : details);
}

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
function toInstance<T>(dto: Type<T>, plain: object): T {
  const instance = Object.assign(new dto() as JsonObject, plain);
  for (const name of queryIntegersOf(dto.prototype)) {
    const value = instance[name];
    if (typeof value === 'string' && /^\d{1,16}$/.test(value))
      Object.assign(instance, { [name]: Number(value) });
  }
  return instance as T;
}

/**
 * A DTO with a fast parser for a hot path. Its decorators state the same rules and give the error messages.
 */
interface SelfParsing extends Type {
  /** @returns undefined for invalid input */
  parse?: (value: object) => object | undefined;
}

/** The global pipe. A body or a query has exactly the fields of its DTO; the error names every other one. */
@Injectable()
export class RequestValidationPipe extends ValidationPipe {
  constructor() {
    super({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: true,
      exceptionFactory: toValidationError,
      transformerPackage: { plainToInstance: toInstance, classToPlain: (instance: object) => instance },
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata) {
    if (metadata.type === 'body' && !isJsonObject(value)) {
      throw invalidRequest('The body must be a JSON object.');
    }
    // Prototype pollution: class-validator takes inherited names (`toString`, `__proto__`) for declared ones.
    const names = isJsonObject(value) ? Object.keys(value) : [];
    const inherited = names.filter((name) => name in Object.prototype);
    if (inherited.length > 0)
      throw invalidFields(inherited.map((name) => `property ${name} should not exist`));
    const dto = metadata.metatype as SelfParsing | undefined;
    return dto?.parse?.(value as object) ?? super.transform(value, metadata);
  }

  /** Keeps everything: in `data`, `constructor` and `__proto__` are ordinary names. */
  protected override stripProtoKeys(): void {}
}
