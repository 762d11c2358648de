import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, ValidateBy } from 'class-validator';
import { PageBody, PageQuery } from '../api/page.dto.js';
import { IsJsonObject, IsOptionalField, IsText, type JsonObject } from '../api/rules.js';
import { type Status, STATUSES, type SyncRecord } from './record.entity.js';
import { isResourceType } from './resource-type.js';

const MAX_METADATA_BYTES = 1024;

const IsResourceType = () =>
  ValidateBy({
    name: 'isResourceType',
    validator: {
      validate: isResourceType,
      defaultMessage: (args) =>
        `${args?.property} must be a letter and up to 63 letters, digits, "_" or "-", and not the name of a route`,
    },
  });

const IsStatus = () => IsIn(STATUSES, { message: `status must be one of ${STATUSES.join(', ')}` });

/** Request bodies of spec/records-api.md, and one that the feed's own examples could have come from. */
export const CREATE_EXAMPLES = {
  featureFlag: {
    summary: 'The state of a feature flag',
    value: {
      developerId: 'dev-789',
      resourceType: 'FEATURE_FLAG_STATE',
      resourceKey: 'flag-migration-v2',
      data: {
        enabled: false,
        lastToggle: '2025-12-01T11:00:00Z',
        notes: 'Initial state for migration flag.',
      },
    },
  },
  route: {
    summary: 'A route, with everything',
    value: {
      developerId: 'dev-789',
      resourceType: 'ROUTE',
      resourceKey: 'coast-loop',
      data: { distance_km: 42 },
      status: 'PENDING_UPDATE',
      metadata: { source: 'import' },
    },
  },
};
export const UPDATE_EXAMPLES = {
  data: {
    summary: 'Updating the sync data',
    value: {
      data: { enabled: true, lastToggle: '2025-12-01T12:00:00Z' },
      status: 'PENDING_SYNC_CONFIRMATION',
    },
  },
};

/** Body of POST (spec/records-api.md, section 2.2). */
export class CreateRecordDto {
  @ApiProperty({ description: 'The ID of the developer.', minLength: 1, maxLength: 255, example: 'dev-789' })
  @IsText(1, 255)
  developerId: string;

  @ApiProperty({
    description: 'The type of resource. Lower-cased it is the `item_type` of the feed.',
    pattern: '^[A-Za-z][A-Za-z0-9_-]{0,63}$',
    example: 'FEATURE_FLAG_STATE',
  })
  @IsResourceType()
  resourceType: string;

  @ApiProperty({
    description: 'The unique key for the resource instance.',
    minLength: 1,
    maxLength: 255,
    example: 'flag-migration-v2',
  })
  @IsText(1, 255)
  resourceKey: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'The initial synchronization payload.',
    example: {
      enabled: false,
      lastToggle: '2025-12-01T11:00:00Z',
      notes: 'Initial state for migration flag.',
    },
  })
  @IsJsonObject()
  data: JsonObject;

  @ApiPropertyOptional({
    enum: STATUSES,
    default: 'ACTIVE',
    description: 'Initial status.',
    example: 'ACTIVE',
  })
  @IsOptionalField()
  @IsStatus()
  status?: Status;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    default: {},
    description: 'Arbitrary, non-critical metadata: at most 1,024 bytes as compact UTF-8 JSON.',
    example: {},
  })
  @IsOptionalField()
  @IsJsonObject(MAX_METADATA_BYTES)
  metadata?: JsonObject;
}

/** Body of PATCH (spec/records-api.md, section 2.3): each given field is replaced as a whole. */
export class UpdateRecordDto {
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'New synchronization payload.',
    example: { enabled: true, lastToggle: '2025-12-01T12:00:00Z' },
  })
  @IsOptionalField()
  @IsJsonObject()
  data?: JsonObject;

  @ApiPropertyOptional({
    enum: STATUSES,
    description: 'New synchronization status.',
    example: 'PENDING_SYNC_CONFIRMATION',
  })
  @IsOptionalField()
  @IsStatus()
  status?: Status;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'Updated metadata object: at most 1,024 bytes as compact UTF-8 JSON.',
    example: {},
  })
  @IsOptionalField()
  @IsJsonObject(MAX_METADATA_BYTES)
  metadata?: JsonObject;
}

/**
 * Query of the list (spec/records-api.md, section 2.1 A). Optional parameters have no `example`, here and elsewhere:
 * the page at /docs would send it as a filter.
 */
export class RecordsQuery extends PageQuery {
  @ApiPropertyOptional({
    description:
      "Filters records for a specific developer. Recommended. Left out: the caller's own (admin: all).",
    minLength: 1,
    maxLength: 255,
  })
  @IsOptionalField()
  @IsText(1, 255)
  developerId?: string;

  @ApiPropertyOptional({
    description: 'Filters records by the defined resource type, such as `PROJECT_CONFIG`.',
    minLength: 1,
    maxLength: 64,
  })
  @IsOptionalField()
  @IsText(1, 64)
  resourceType?: string;

  @ApiPropertyOptional({ enum: STATUSES, description: 'Filters records by synchronization status.' })
  @IsOptionalField()
  @IsStatus()
  status?: Status;
}

/** A record as the API shows it. */
export class RecordBody {
  @ApiProperty({
    format: 'uuid',
    description: 'Unique identifier.',
    example: '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
  })
  id: string;

  @ApiProperty({ description: 'The developer associated with this record.', example: 'dev-456' })
  developerId: string;

  @ApiProperty({ description: 'The type of external resource.', example: 'PROJECT_CONFIG' })
  resourceType: string;

  @ApiProperty({ description: 'Identifier of the resource instance.', example: 'my-backend-service' })
  resourceKey: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'The payload.',
    example: { theme: 'dark' },
  })
  data: JsonObject;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'The last write that left the record ACTIVE; null until then.',
    example: '2025-12-01T10:00:00.000Z',
  })
  lastSyncedAt: string | null;

  @ApiProperty({ enum: STATUSES, description: 'Current synchronization status.', example: 'ACTIVE' })
  status: Status;

  @ApiProperty({
    format: 'date-time',
    description: 'When the record was created.',
    example: '2025-01-15T09:00:00.000Z',
  })
  createdAt: string;

  @ApiProperty({
    format: 'date-time',
    description: 'The last modification.',
    example: '2025-12-01T10:00:00.000Z',
  })
  updatedAt: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'Non-critical metadata.',
    example: {},
  })
  metadata: JsonObject;

  static of(record: SyncRecord): RecordBody {
    return {
      id: record.id,
      developerId: record.developerId,
      resourceType: record.resourceType,
      resourceKey: record.resourceKey,
      data: record.data.value,
      lastSyncedAt: record.lastSyncedAt?.toISOString() ?? null,
      status: record.status,
      createdAt: record.createdAt.toISOString(),
      updatedAt: record.updatedAt.toISOString(),
      metadata: record.metadata.value,
    };
  }
}

export class RecordPageBody extends PageBody {
  @ApiProperty({ type: RecordBody, isArray: true, description: 'The records of this page.' })
  data: RecordBody[];
}
