import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { type Action, ACTIONS } from './change-event.entity.js';

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
