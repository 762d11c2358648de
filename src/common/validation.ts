import {
  type ArgumentMetadata,
  type Type,
  type ValidationError,
  Injectable,
  ValidationPipe,
} from '@nestjs/common';
import {
  getMetadataStorage,
  IsInt,
  isISO8601,
  isRFC3339,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
  type ValidationOptions,
  ValidationTypes,
} from 'class-validator';
import type { ValidationMetadata } from 'class-validator/types/metadata/ValidationMetadata.js';
import { type ApiError, invalidRequest } from './api-error.js';
import { isStorableText } from './json-body.js';

export type JsonObject = Record<string, unknown>;

const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Characters of an answer that names what is wrong; a body of a megabyte can have 100,000 unknown fields. */
const MAX_DETAILS = 2_000;

function refuse(messages: string[]): ApiError {
  const details = messages.join('; ');
  return invalidRequest(details.length > MAX_DETAILS ? `${details.slice(0, MAX_DETAILS)} …` : details);
}

/** Turns what class-validator found into one 400 that names every offending field. */
export function toValidationError(errors: ValidationError[]): ApiError {
  const messages = errors.flatMap((error) =>
    error.value === undefined && error.constraints && !('whitelistValidation' in error.constraints)
      ? [`${error.property} is required`]
      : Object.values(error.constraints ?? { invalid: `${error.property} is invalid` }),
  );
  return refuse(messages);
}

const INTEGERS = Symbol('query integers');

/** A DTO of a body or a query: its defaults, and what was sent as it is, integers of a query aside. */
function toInstance<T>(dto: Type<T>, plain: object): T {
  const instance = Object.assign(new dto() as JsonObject, plain);
  for (const name of integersOf(dto.prototype)) {
    const value = instance[name];
    if (typeof value === 'string' && /^\d{1,16}$/.test(value))
      Object.assign(instance, { [name]: Number(value) });
  }
  return instance as T;
}

const integersOf = (prototype: object): string[] => Reflect.getMetadata(INTEGERS, prototype) ?? [];

type Check = (value: unknown, dto: object) => boolean;

const checks = new Map<unknown, Map<string, Check>>();

/** What the decorators of a DTO say, by property. */
function checksOf(type: Type): Map<string, Check> {
  let found = checks.get(type);
  if (!found) {
    const storage = getMetadataStorage();
    const rules = storage.groupByPropertyName(storage.getTargetValidationMetadatas(type, '', false, false));
    found = new Map(Object.entries(rules).map(([name, all]) => [name, checkOf(all)]));
    checks.set(type, found);
  }
  return found;
}

function checkOf(rules: ValidationMetadata[]): Check {
  const conditions = rules.filter(({ type }) => type === ValidationTypes.CONDITIONAL_VALIDATION);
  const tests = rules
    .filter(
      ({ type }) => type !== ValidationTypes.CONDITIONAL_VALIDATION && type !== ValidationTypes.WHITELIST,
    )
    .map(testOf);
  return (value, dto) =>
    conditions.some(({ constraints }) => !constraints[0](dto, value)) ||
    tests.every((test) => test(value, dto));
}

function testOf({ type, each, constraintCls, constraints, propertyName }: ValidationMetadata): Check {
  // Left to class-validator.
  if (type !== ValidationTypes.CUSTOM_VALIDATION || each) return () => false;
  const validators = getMetadataStorage().getTargetValidatorConstraints(constraintCls);
  return (value, object) => {
    const context = {
      value,
      object,
      constraints,
      property: propertyName,
      targetName: object.constructor.name,
    };
    return validators.every(({ instance }) => instance.validate(value, context) === true);
  };
}

/**
 * True for a DTO in which class-validator would find nothing. It gathers its rules anew for each object, which took a
 * tenth of the time of an idle poll; they are gathered once here, and it is asked only for what is wrong.
 */
export function isValid(dto: object): boolean {
  const checks = checksOf(dto.constructor as Type);
  if (Object.keys(dto).some((name) => !checks.has(name))) return false;
  for (const [name, check] of checks) if (!check((dto as JsonObject)[name], dto)) return false;
  return true;
}

/** The global pipe: a DTO class is the whole truth about a body or a query; anything else is refused by name. */
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
    // What every object inherits (`toString`, `__proto__`) looks declared to the libraries, and would pass unseen.
    const inherited = isJsonObject(value)
      ? Object.keys(value).filter((name) => name in Object.prototype)
      : [];
    if (inherited.length > 0) {
      throw refuse(inherited.map((name) => `property ${name} should not exist`));
    }
    const { metatype } = metadata;
    if (metatype && isJsonObject(value) && checksOf(metatype).size > 0) {
      const dto = toInstance(metatype, value);
      if (isValid(dto)) return dto;
    }
    // Says what is wrong.
    return super.transform(value, metadata);
  }

  /** Nothing is ever stripped: in `data`, `constructor` and `__proto__` are names like any others. */
  protected override stripProtoKeys(): void {}
}

/** May be left out. Unlike `@IsOptional()` it does not let `null` pass. */
export const IsOptionalField = () => ValidateIf((_object, value) => value !== undefined);

export function isText(value: unknown, min: number, max: number): value is string {
  if (typeof value !== 'string' || !isStorableText(value)) return false;
  // Spreading counts code points, as PostgreSQL does; the first check spares huge strings that.
  const length = value.length > 2 * max ? Infinity : [...value].length;
  return length >= min && length <= max;
}

/** A string that PostgreSQL can hold, of `min` to `max` characters (code points). */
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

// The first check knows that February has no 30th, the second that a time without offset could mean any zone, and the third
// that an offset can lead out of the years of four digits, which are all that RFC 3339 can write.
const isDatetime = (value: unknown): boolean =>
  isISO8601(value, { strict: true, strictSeparator: true }) &&
  isRFC3339(value) &&
  /^\d{4}-/.test(new Date(value as string).toISOString());

/** A moment (RFC 3339). */
export const IsDatetime = () =>
  ValidateBy({
    name: 'isDatetime',
    validator: {
      validate: isDatetime,
      defaultMessage: (args) =>
        `${args?.property} must be a datetime of RFC 3339, such as 2030-01-01T00:00:00Z`,
    },
  });

/**
 * A JSON object, kept exactly as parsed.
 *
 * @param maxBytes size limit as compact UTF-8 JSON
 */
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

/** A query parameter that is a decimal integer from 1 to `max`; `1e2`, `+1`, `1.0` and repeated ones are not. */
export function IsQueryInteger(max = Number.MAX_SAFE_INTEGER): PropertyDecorator {
  const decorators = [
    (prototype: object, name: string | symbol) =>
      Reflect.defineMetadata(INTEGERS, [...integersOf(prototype), name], prototype),
    IsInt({ message: '$property must be an integer' }),
    Min(1, { message: '$property must be at least 1' }),
    Max(max, { message: `$property must be at most ${max}` }),
  ];
  return (target, key) => decorators.forEach((decorate) => decorate(target, key));
}
