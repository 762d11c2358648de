import { applyDecorators, type Type } from '@nestjs/common';
import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsUUID,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import { ALL_ASSETS, ASSET_NAMES, isAsset } from './resource-type.js';
import { IsDatetime, IsJsonObject, IsText } from './rules.js';
import { ParseInteger } from './validation.pipe.js';

/*
 * Fields of bodies and queries. One decorator states a field for OpenAPI and for class-validator.
 *
 * DTOs that share fields use Nest's mapped types (PickType, PartialType, IntersectionType).
 *
 * Danger: mapped types inherit initialisers. A default in a class that PartialType takes would reset the
 * field in every PATCH, so defaults belong in services.
 *
 * Optional query parameters have no `example`: the page at /docs would send it as a filter.
 */

/** Options of every kind of field. `optional` lets undefined pass, `nullable` lets null pass. */
export interface FieldOptions extends Pick<
  ApiPropertyOptions,
  'description' | 'default' | 'pattern' | 'format'
> {
  description: string;
  example?: unknown;
  optional?: boolean;
  nullable?: boolean;
}

/** For `PartialType`: a field may be left out, but null is refused unless the field is nullable. */
export const OPTIONAL = { skipNullProperties: false };

/** A field of any other kind. @param rules class-validator decorators; none for a response field */
export function Field(
  schema: object,
  rules: PropertyDecorator[],
  { optional, ...options }: FieldOptions,
): PropertyDecorator {
  return applyDecorators(
    ApiProperty({ ...schema, ...options, required: !optional }),
    ValidateIf((_dto, value) => !(optional && value === undefined) && !(options.nullable && value === null)),
    ...rules,
  );
}

/** Characters, not bytes. */
export const Text = (maxLength: number, options: FieldOptions, minLength = 1) =>
  Field({ type: String, minLength, maxLength }, [IsText(minLength, maxLength)], options);

/** A UUID. */
export const Id = (options: FieldOptions) =>
  Field({ type: String, format: 'uuid' }, [IsUUID('loose')], { example: ID_EXAMPLE, ...options });

/** A datetime of RFC 3339. The server's own have milliseconds and `Z`. */
export const Datetime = (options: FieldOptions) =>
  Field({ type: String, format: 'date-time' }, [IsDatetime()], options);

/**
 * A datetime of RFC 3339 that has or may have an offset, such as a cursor (`+00:00`). It has a pattern in place of
 * a format: validators that generators make of `date-time` accept `Z` alone, and clients that parse it would not
 * send back the same text (docs/decisions/0028-openapi.md).
 */
export const OffsetDatetime = (options: FieldOptions) =>
  Field({ type: String, pattern: OFFSET_DATETIME }, [IsDatetime()], options);

export const Flag = (options: FieldOptions) => Field({ type: Boolean }, [IsBoolean()], options);

/** @param maximum Infinity: none */
export const Integer = (minimum: number, maximum: number, options: FieldOptions) =>
  Field(
    { type: 'integer', minimum, ...(maximum < Infinity && { maximum }) },
    [IsInt(), Min(minimum), Max(maximum)],
    options,
  );

/** A query parameter: decimal digits, 1 to `maximum`. Refuses `1e2`, `+1`, `1.0` and repeated parameters. */
export const QueryInteger = (maximum: number, options: FieldOptions) =>
  Field(
    { type: 'integer', minimum: 1, ...(maximum < Number.MAX_SAFE_INTEGER && { maximum }) },
    [
      ParseInteger(),
      IsInt({ message: '$property must be an integer' }),
      Min(1, { message: '$property must be at least 1' }),
      Max(maximum, { message: `$property must be at most ${maximum}` }),
    ],
    options,
  );

export const OneOf = (values: readonly string[], options: FieldOptions, message?: string) =>
  Field({ enum: values }, [IsIn(values, { message })], options);

export const SomeOf = (values: readonly string[], options: FieldOptions) =>
  Field(
    { enum: values, isArray: true, minItems: 1, uniqueItems: true },
    [...LIST, ArrayNotEmpty(), IsIn(values, { each: true })],
    options,
  );

/** A list of different texts. @param rule of each element */
export const List = (maxItems: number, rule: PropertyDecorator, options: FieldOptions, minItems = 0) =>
  Field(
    { type: String, isArray: true, minItems: minItems || undefined, maxItems, uniqueItems: true },
    [...LIST, ArrayMaxSize(maxItems), ...(minItems > 0 ? [ArrayNotEmpty()] : []), rule],
    options,
  );

/** A list of names as in `assets` of the feed, or null. @param maySayAll `*` is allowed */
export const Assets = (maxItems: number, maySayAll: boolean, options: FieldOptions) =>
  List(
    maxItems,
    ValidateBy(
      {
        name: 'isAsset',
        validator: { validate: (name) => isAsset(name) || (maySayAll && name === ALL_ASSETS) },
      },
      { each: true, message: `$property must be a list of ${ASSET_NAMES}` },
    ),
    { example: ['routes', 'trips'], ...options, nullable: true },
    1,
  );

/** A JSON object. @param maxBytes as compact UTF-8 JSON */
export const JsonField = (options: FieldOptions, maxBytes?: number) =>
  Field({ type: 'object', additionalProperties: true }, [IsJsonObject(maxBytes)], options);

/** Response field: an absolute URL. */
export const Url = (options: FieldOptions) => Field({ type: String, format: 'uri' }, [], options);

/** Response field: another body. */
export const Nested = (type: Type, options: FieldOptions) => Field({ type }, [], options);

/** Response field: a list of other bodies. */
export const ListOf = (type: Type, description: string) => ApiProperty({ type, isArray: true, description });

const OFFSET_DATETIME = '^\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?([Zz]|[+-]\\d{2}:\\d{2})$';
const LIST = [IsArray(), ArrayUnique()];

/** A UUID for examples. */
export const ID_EXAMPLE = '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d';
