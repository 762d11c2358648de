import { config } from '../config.js';
import type { CollectionBody } from '../sync-feed/sync-feed.dto.js';

/** Every developer has exactly one collection, `pinned`. Its id is the `userId`: there is nothing to store. */
export function pinnedCollectionOf(userId: number): CollectionBody {
  return {
    id: userId,
    type: 'pinned',
    name: 'pinned',
    url: `${config.PUBLIC_URL}/api/v1/collections/${userId}.json`,
  };
}
