import { getSchemaPath } from '@nestjs/swagger';
import { Datetime, Field, Id, Integer, JsonField, OneOf, Text, Url } from '../api/fields.js';
import { PageBody, PageQuery } from '../api/page.dto.js';
import type { JsonObject } from '../api/rules.js';
import { type Status, STATUSES } from './record.entity.js';

/** A record with the names of the feed. It also has the members of `data`, unless it has one of the same name. */
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

  @JsonField({
    description: 'Synchronization payload. Its members are beside it, too.',
    example: { distance_km: 42 },
  })
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

export class ItemsQuery extends PageQuery {
  @Text(255, {
    optional: true,
    description: 'Developer whose items are listed: for admins. Default: the own developer.',
  })
  developerId?: string;
}

export class ItemPageBody extends PageBody {
  @Field(
    { type: 'array', items: { type: 'object', additionalProperties: { $ref: getSchemaPath(Item) } } },
    [],
    { description: 'Items of this page in the order of creation, each as on its item page.' },
  )
  items: ItemBody[];
}
