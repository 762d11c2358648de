import { ApiProperty } from '@nestjs/swagger';
import { config } from '../config.js';
import type { JsonObject } from '../api/rules.js';
import { type Status, STATUSES, type SyncRecord } from './record.entity.js';
import { assetOf, itemTypeOf } from './resource-type.js';

/** URL of the page of an item: what the feed calls `item_url`. */
export const itemUrl = (asset: string, itemId: number) =>
  `${config.PUBLIC_URL}/api/v1/${asset}/${itemId}.json`;

/** A record in the feed's words. */
export class Item {
  @ApiProperty({ type: 'integer', example: 217, description: 'The `item_id` of the feed.' })
  id: number;

  @ApiProperty({ type: 'integer', example: 2, description: 'The owner: the `item_user_id` of the feed.' })
  user_id: number;

  @ApiProperty({
    format: 'uri',
    description: 'URL of this page: the `item_url` of the feed.',
    example: 'https://sync.example.com/api/v1/routes/217.json',
  })
  url: string;

  @ApiProperty({
    format: 'uuid',
    description: 'The `id` of the records API.',
    example: '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
  })
  record_id: string;

  @ApiProperty({ description: 'The `resourceType` of the records API.', example: 'ROUTE' })
  resource_type: string;

  @ApiProperty({ description: 'The `resourceKey` of the records API.', example: 'coast-loop' })
  resource_key: string;

  @ApiProperty({ enum: STATUSES, description: 'Current synchronization status.', example: 'ACTIVE' })
  status: Status;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'The payload.',
    example: { distance_km: 42 },
  })
  data: JsonObject;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'Non-critical metadata.',
    example: {},
  })
  metadata: JsonObject;

  @ApiProperty({
    format: 'date-time',
    description: 'When the item was created.',
    example: '2024-09-05T23:17:55.000Z',
  })
  created_at: string;

  @ApiProperty({
    format: 'date-time',
    description: 'When the item was last changed.',
    example: '2024-09-05T23:17:55.000Z',
  })
  updated_at: string;
}

/** An item page: the item under its type. */
export type ItemBody = { [itemType: string]: Item };

export function itemBodyOf(record: SyncRecord): ItemBody {
  const itemType = itemTypeOf(record.resourceType);
  return {
    [itemType]: {
      id: record.itemId,
      user_id: record.userId,
      url: itemUrl(assetOf(itemType), record.itemId),
      record_id: record.id,
      resource_type: record.resourceType,
      resource_key: record.resourceKey,
      status: record.status,
      data: record.data.value,
      metadata: record.metadata.value,
      created_at: record.createdAt.toISOString(),
      updated_at: record.updatedAt.toISOString(),
    },
  };
}
