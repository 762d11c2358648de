import { Datetime, Integer, Nested, OneOf, Text, Url } from '../api/fields.js';
import { iso } from '../database/iso.js';
import { type Action, ACTIONS } from './change-event.entity.js';
import { CollectionBody, pinnedCollectionJson } from './pinned-collection.js';

/** spec/sync-endpoint.md, Item Attributes. */
export class SyncItemBody {
  @Text(64, { description: 'Type of item: the `resourceType` in lower case.', example: 'route' })
  item_type: string;

  @Integer(1, Infinity, { description: 'ID of the item.', example: 217 })
  item_id: number;

  @Integer(1, Infinity, { description: 'ID of the user who owns the item.', example: 2 })
  item_user_id: number;

  @Url({
    description: 'API URL to fetch the full item details: 404 for a deleted item.',
    example: 'https://sync.example.com/api/v1/routes/217.json',
  })
  item_url: string;

  @OneOf(ACTIONS, {
    description:
      'Action performed on the item. The user `created`, `updated` or `deleted` it, or `added` it to or ' +
      '`removed` it from the collection.',
    example: 'updated',
  })
  action: Action;

  @Datetime({
    description: 'When the action occurred: unique and strictly increasing within a feed.',
    example: '2024-09-05T23:17:55.000Z',
  })
  datetime: string;

  @Nested(CollectionBody, {
    nullable: true,
    description: 'Collection information for `added`/`removed` actions.',
    example: null,
  })
  collection: CollectionBody | null;
}

/**
 * SQL: a change event as the JSON text of a `SyncItemBody`, in the same order. PostgreSQL writes it: rows
 * that this process parses and writes again cost several times as much. No value needs
 * escaping: types are plain words.
 *
 * @param userId expression: the feed
 * @param publicUrl expression: PUBLIC_URL, escaped for a JSON string
 */
export const itemJson = (userId: string, publicUrl: string) => `
  '{"item_type":"' || item_type ||
  '","item_id":' || item_id ||
  ',"item_user_id":' || item_user_id ||
  ',"item_url":"' || ${publicUrl} || '/api/v1/' || asset || '/' || item_id ||
  '.json","action":"' || action ||
  '","datetime":"' || ${iso('datetime')} ||
  '","collection":' || CASE WHEN action NOT IN ('added', 'removed') THEN 'null'
    ELSE ${pinnedCollectionJson(userId, publicUrl)} END || '}'`;
