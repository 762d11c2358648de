import { Datetime, Id, Integer, JsonField, OneOf, Text, Url } from '../api/fields.js';
import type { JsonObject } from '../api/rules.js';
import { config } from '../config.js';
import { type Status, STATUSES, type SyncRecord } from './record.entity.js';
import { assetOf, itemTypeOf } from '../api/resource-type.js';

/** URL of the page of an item: the `item_url` of the feed. */
export const itemUrl = (asset: string, itemId: number) =>
  `${config.PUBLIC_URL}/api/v1/${asset}/${itemId}.json`;

/** A record with the names of the feed. */
export class Item {
  @Integer(1, Infinity, { description: 'Id of the item: the `item_id` of the feed.', example: 217 })
  id: number;

  @Integer(1, Infinity, { description: 'Id of the owner: the `item_user_id` of the feed.', example: 2 })
  user_id: number;

  @Url({
    description: 'URL of this page: the `item_url` of the feed.',
    example: 'https://sync.example.com/api/v1/routes/217.json',
  })
  url: string;

  @Id({ description: 'The `id` of the record in the records API.' })
  record_id: string;

  @Text(64, { description: 'The `resourceType` of the records API.', example: 'ROUTE' })
  resource_type: string;

  @Text(255, { description: 'The `resourceKey` of the records API.', example: 'coast-loop' })
  resource_key: string;

  @OneOf(STATUSES, { description: 'Synchronization status.', example: 'ACTIVE' })
  status: Status;

  @JsonField({ description: 'Synchronization payload.', example: { distance_km: 42 } })
  data: JsonObject;

  @JsonField({ description: 'Non-critical metadata.', example: {} })
  metadata: JsonObject;

  @Datetime({ description: 'When the item was created.', example: '2024-09-05T23:17:55.000Z' })
  created_at: string;

  @Datetime({ description: 'When the item was last modified.', example: '2024-09-05T23:17:55.000Z' })
  updated_at: string;
}

/** An item page: the item under the name of its type. */
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
