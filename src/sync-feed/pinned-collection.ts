import { Integer, Text, Url } from '../api/fields.js';

/**
 * spec/sync-endpoint.md, Collection Attributes. Each developer has one collection.
 * It is not stored: its id is the `userId`.
 */
export class CollectionBody {
  @Integer(1, Infinity, { description: 'Collection ID.', example: 1 })
  id: number;

  @Text(255, { description: 'Collection type (currently always `pinned`).', example: 'pinned' })
  type: string;

  @Text(255, { description: 'Collection name.', example: 'pinned' })
  name: string;

  @Url({
    description: 'API URL for the collection.',
    example: 'https://sync.example.com/api/v1/collections/1.json',
  })
  url: string;
}

export function pinnedCollectionOf(userId: number, publicUrl: string): CollectionBody {
  return {
    id: userId,
    type: 'pinned',
    name: 'pinned',
    url: `${publicUrl}/api/v1/collections/${userId}.json`,
  };
}

/**
 * SQL: the same as JSON text.
 *
 * @param userId expression
 * @param publicUrl expression: PUBLIC_URL, escaped for a JSON string
 */
export const pinnedCollectionJson = (userId: string, publicUrl: string) =>
  `'{"id":' || ${userId} || ',"type":"pinned","name":"pinned","url":"' || ${publicUrl} ||
      '/api/v1/collections/' || ${userId} || '.json"}'`;
