import { PartialType, PickType } from '@nestjs/swagger';
import { ValidateBy } from 'class-validator';
import {
  Datetime,
  Field,
  type FieldOptions,
  Id,
  JsonField,
  ListOf,
  OneOf,
  OPTIONAL,
  Text,
} from '../api/fields.js';
import { PageBody, PageQuery } from '../api/page.dto.js';
import { isResourceType, RESOURCE_TYPE } from '../api/resource-type.js';
import type { JsonObject } from '../api/rules.js';
import { type Status, STATUSES, type SyncRecord } from './record.entity.js';

const MAX_METADATA_BYTES = 1024;

const IsResourceType = () =>
  ValidateBy({
    name: 'isResourceType',
    validator: {
      validate: isResourceType,
      defaultMessage: (args) =>
        `${args?.property} must be a letter and up to 63 letters, digits, "_" or "-", ` +
        'and not the name of a route',
    },
  });

const StatusField = (options: FieldOptions) =>
  OneOf(STATUSES, options, `status must be one of ${STATUSES.join(', ')}`);

const Metadata = (options: Partial<FieldOptions> = {}) =>
  JsonField(
    {
      description: 'Non-critical metadata: at most 1,024 bytes as compact UTF-8 JSON.',
      example: {},
      ...options,
    },
    MAX_METADATA_BYTES,
  );

/** A record: the DeveloperSyncRecord of spec/records-api.md, section 1.1. */
export class RecordBody {
  @Id({ description: 'Unique identifier of the record.' })
  id: string;

  @Text(255, { description: 'ID of the developer who owns the record.', example: 'dev-456' })
  developerId: string;

  @Field({ type: String }, [IsResourceType()], {
    description: 'Type of the external resource. In lower case it is the `item_type` of the feed.',
    pattern: RESOURCE_TYPE.source,
    example: 'PROJECT_CONFIG',
  })
  resourceType: string;

  @Text(255, { description: 'Unique key of the resource instance.', example: 'my-backend-service' })
  resourceKey: string;

  @JsonField({ description: 'Synchronization payload.', example: { theme: 'dark' } })
  data: JsonObject;

  @Datetime({
    nullable: true,
    description: 'Time of the last write that left the record ACTIVE; null: none yet.',
    example: '2025-12-01T10:00:00.000Z',
  })
  lastSyncedAt: string | null;

  @StatusField({ description: 'Synchronization status.', example: 'ACTIVE' })
  status: Status;

  @Datetime({ description: 'When the record was created.', example: '2025-01-15T09:00:00.000Z' })
  createdAt: string;

  @Datetime({ description: 'When the record was last modified.', example: '2025-12-01T10:00:00.000Z' })
  updatedAt: string;

  @Metadata()
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

/** Body of POST (spec/records-api.md, section 2.2). */
export class CreateRecordDto extends PickType(RecordBody, [
  'developerId',
  'resourceType',
  'resourceKey',
  'data',
]) {
  @StatusField({
    optional: true,
    default: 'ACTIVE',
    description: 'Initial synchronization status.',
    example: 'ACTIVE',
  })
  status?: Status;

  @Metadata({ optional: true, default: {} })
  metadata?: JsonObject;
}

/** Body of PATCH (spec/records-api.md, section 2.3): each given field is replaced as a whole. */
export class UpdateRecordDto extends PartialType(
  PickType(RecordBody, ['data', 'status', 'metadata']),
  OPTIONAL,
) {}

/** Query of the list (spec/records-api.md, section 2.1 A). */
export class RecordsQuery extends PageQuery {
  @Text(255, {
    optional: true,
    description: 'Filters records by developer. Recommended. Default: the own developer; for admins, all.',
  })
  developerId?: string;

  @Text(64, { optional: true, description: 'Filters records by resource type, such as `PROJECT_CONFIG`.' })
  resourceType?: string;

  @StatusField({ optional: true, description: 'Filters records by synchronization status.' })
  status?: Status;
}

export class RecordPageBody extends PageBody {
  @ListOf(RecordBody, 'Records of this page.')
  data: RecordBody[];
}
