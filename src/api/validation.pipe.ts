import {
  type ArgumentMetadata,
  type Type,
  type ValidationError,
  Injectable,
  ValidationPipe,
} from '@nestjs/common';
import { type ApiError, invalidRequest } from '../http/api-error.js';
import { isJsonObject, type JsonObject } from './rules.js';

/** Characters of an answer that names what is wrong; a body of a megabyte can have 100,000 unknown fields. */
const MAX_DETAILS = 2_000;

/** One 400 that names every offending field. */
export function refuse(messages: string[]): ApiError {
  const details = messages.join('; ');
  return invalidRequest(details.length > MAX_DETAILS ? `${details.slice(0, MAX_DETAILS)} …` : details);
}

function toValidationError(errors: ValidationError[]): ApiError {
  const messages = errors.flatMap((error) =>
    error.value === undefined && error.constraints && !('whitelistValidation' in error.constraints)
      ? [`${error.property} is required`]
      : Object.values(error.constraints ?? { invalid: `${error.property} is invalid` }),
  );
  return refuse(messages);
}

const QUERY_INTEGERS = Symbol('query integers');

const queryIntegersOf = (prototype: object): string[] => Reflect.getMetadata(QUERY_INTEGERS, prototype) ?? [];

/** Marks a query parameter whose decimal digits become a number before validation. */
export const ParseInteger = (): PropertyDecorator => (prototype, name) =>
  Reflect.defineMetadata(QUERY_INTEGERS, [...queryIntegersOf(prototype), name], prototype);

/** A DTO of a body or a query: its defaults, and the values as they were sent, integers of a query aside. */
function toInstance<T>(dto: Type<T>, plain: object): T {
  const instance = Object.assign(new dto() as JsonObject, plain);
  for (const name of queryIntegersOf(dto.prototype)) {
    const value = instance[name];
    if (typeof value === 'string' && /^\d{1,16}$/.test(value))
      Object.assign(instance, { [name]: Number(value) });
  }
  return instance as T;
}

/** A DTO with a check of its own, for a hot path. Its decorators state the same rules, and name what is wrong. */
interface SelfChecking extends Type {
  /** @returns undefined when anything is wrong */
  parse?: (value: object) => object | undefined;
}

/** The global pipe: a DTO class is the whole truth about a body or a query; everything else is refused by name. */
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
    // Prototype pollution: inherited names (`toString`, `__proto__`) look declared to class-validator.
    const inherited = isJsonObject(value)
      ? Object.keys(value).filter((name) => name in Object.prototype)
      : [];
    if (inherited.length > 0) throw refuse(inherited.map((name) => `property ${name} should not exist`));
    const dto = metadata.metatype as SelfChecking | undefined;
    return dto?.parse?.(value as object) ?? super.transform(value, metadata);
  }

  /** Keeps everything: inside `data`, `constructor` and `__proto__` are names like any others. */
  protected override stripProtoKeys(): void {}
}
