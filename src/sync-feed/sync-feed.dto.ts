import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow, IsIn, Matches } from 'class-validator';
import { IsOptionalField, IsQueryInteger, IsText } from '../common/validation.js';
import { type Action, ACTIONS } from './change-event.entity.js';

export const MAX_LIMIT = 10_000;

/** All of them, where leaving out `assets` would mean what the setting of an API client says. */
export const ALL_ASSETS = '*';

const ASSETS = /^(\*|[A-Za-z][\w-]*(,[A-Za-z][\w-]*)*)$/;

/** Query of a sync request (spec/sync-endpoint.md, Request). */
export class SyncQuery {
  @ApiProperty({
    type: String,
    description:
      'ISO8601 formatted datetime: RFC 3339 with `Z` or an offset, or a date alone. Exclusive: only what happened ' +
      'after it is returned. `1970-01-01T00:00:00Z` returns the whole library.',
    example: '1970-01-01T00:00:00Z',
  })
  @Allow()
  since: unknown;

  @ApiPropertyOptional({
    description:
      'Comma-separated list of asset types to return: `routes`, `trips`, `routes,trips` or the plural of any other ' +
      'type; `*` is all of them. Unknown ones match nothing. Left out: the `defaultAssets` of the API client that the ' +
      'credential belongs to; all, if it has none or there is no client.',
    pattern: ASSETS.source,
  })
  @IsOptionalField()
  @Matches(ASSETS, { message: 'assets must be a comma-separated list of asset types, such as routes,trips' })
  assets?: string;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_LIMIT,
    description:
      'At most this many items; `meta.has_more` says whether there are more. Left out: everything.',
  })
  @IsOptionalField()
  @IsQueryInteger(MAX_LIMIT)
  limit?: number;

  @ApiPropertyOptional({
    type: 'boolean',
    default: false,
    description:
      '`true`: each item, and each pin, at most once, as its latest change: for a first sync, which then costs what the ' +
      'library costs and not its history. What is gone and was not there at `since` is left out. ' +
      '`meta.next_sync_url` of the last page goes on without it.',
  })
  @IsOptionalField()
  @IsIn(['true', 'false'])
  compact?: 'true' | 'false';

  @ApiPropertyOptional({
    description: 'Whose feed: for admins, who have to name one. Others have only their own.',
    minLength: 1,
    maxLength: 255,
  })
  @IsOptionalField()
  @IsText(1, 255)
  developerId?: string;
}

export class CollectionBody {
  @ApiProperty({ type: 'integer', example: 1, description: 'Collection ID.' })
  id: number;

  @ApiProperty({ example: 'pinned', description: 'Collection type (currently always `pinned`).' })
  type: string;

  @ApiProperty({ example: 'pinned', description: 'Collection name.' })
  name: string;

  @ApiProperty({
    format: 'uri',
    description: 'API URL for the collection.',
    example: 'https://sync.example.com/api/v1/collections/1.json',
  })
  url: string;
}

/** spec/sync-endpoint.md, Item Attributes. */
export class SyncItemBody {
  @ApiProperty({ description: 'Type of item: the lower-cased `resourceType`.', example: 'route' })
  item_type: string;

  @ApiProperty({ type: 'integer', description: 'ID of the item.', example: 217 })
  item_id: number;

  @ApiProperty({ type: 'integer', description: 'ID of the user who owns the item.', example: 2 })
  item_user_id: number;

  @ApiProperty({
    format: 'uri',
    description: 'API URL to fetch the full item details. A deleted item answers 404.',
    example: 'https://sync.example.com/api/v1/routes/217.json',
  })
  item_url: string;

  @ApiProperty({
    enum: ACTIONS,
    description:
      'Action performed on the item. The user `created`, `updated` or `deleted` it, or `added` it to or `removed` it ' +
      'from the collection.',
    example: 'updated',
  })
  action: Action;

  @ApiProperty({
    format: 'date-time',
    description: 'When the action occurred: unique and strictly increasing within a feed.',
    example: '2024-09-05T23:17:55.000Z',
  })
  datetime: string;

  @ApiProperty({
    type: CollectionBody,
    nullable: true,
    description: 'Collection information for `added`/`removed` actions.',
    example: null,
  })
  collection: CollectionBody | null;
}

export class DateRangeBody {
  @ApiProperty({ format: 'date-time', description: 'Exclusive start.', example: '2024-09-01T00:00:00Z' })
  since: string;

  @ApiProperty({
    format: 'date-time',
    description: 'Inclusive end.',
    example: '2024-09-09T22:53:52.000+00:00',
  })
  until: string;
}

/** spec/sync-endpoint.md, Meta Attributes. */
export class SyncMetaBody {
  @ApiProperty({
    format: 'date-time',
    description: 'The `since` of the next sync request.',
    example: '2024-09-09T22:53:52.000+00:00',
  })
  rwgps_datetime: string;

  @ApiProperty({
    format: 'uri',
    description: 'Pre-constructed URL for the next sync request.',
    example:
      'https://sync.example.com/api/v1/sync.json?assets=routes%2Ctrips&since=2024-09-09T22%3A53%3A52.000%2B00%3A00',
  })
  next_sync_url: string;

  @ApiProperty({ type: 'integer', description: 'Number of items returned in this response.', example: 4 })
  item_count: number;

  @ApiProperty({ type: DateRangeBody, description: 'The time that this answer covers.' })
  date_range: DateRangeBody;

  @ApiPropertyOptional({
    description: 'Only with `limit`: whether there are items after this page.',
    example: false,
  })
  has_more?: boolean;
}

export class SyncBody {
  @ApiProperty({ type: SyncItemBody, isArray: true, description: 'Oldest first.' })
  items: SyncItemBody[];

  @ApiProperty({ type: SyncMetaBody, description: 'Where this answer ends and the next one starts.' })
  meta: SyncMetaBody;
}

const ORIGIN = 'https://sync.example.com/api/v1';

/** The answer of spec/sync-endpoint.md, oldest first as that document requires. */
export const SYNC_EXAMPLE: SyncBody = {
  items: [
    {
      item_type: 'route',
      item_id: 217,
      item_user_id: 2,
      item_url: `${ORIGIN}/routes/217.json`,
      action: 'added',
      datetime: '2024-09-05T23:17:55.000Z',
      collection: { id: 1, type: 'pinned', name: 'pinned', url: `${ORIGIN}/collections/1.json` },
    },
    {
      item_type: 'route',
      item_id: 218,
      item_user_id: 1,
      item_url: `${ORIGIN}/routes/218.json`,
      action: 'updated',
      datetime: '2024-09-05T23:19:36.000Z',
      collection: null,
    },
    {
      item_type: 'route',
      item_id: 156,
      item_user_id: 1,
      item_url: `${ORIGIN}/routes/156.json`,
      action: 'deleted',
      datetime: '2024-09-08T15:42:21.000Z',
      collection: null,
    },
    {
      item_type: 'trip',
      item_id: 738,
      item_user_id: 1,
      item_url: `${ORIGIN}/trips/738.json`,
      action: 'created',
      datetime: '2024-09-09T22:29:01.000Z',
      collection: null,
    },
  ],
  meta: {
    rwgps_datetime: '2024-09-09T22:53:52.000+00:00',
    next_sync_url: `${ORIGIN}/sync.json?assets=routes%2Ctrips&since=2024-09-09T22%3A53%3A52.000%2B00%3A00`,
    item_count: 4,
    date_range: { since: '2024-09-01T00:00:00Z', until: '2024-09-09T22:53:52.000+00:00' },
  },
};
