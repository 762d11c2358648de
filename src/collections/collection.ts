import { config } from '../config.js';
import type { CollectionBody } from '../sync-feed/sync-feed.dto.js';

/** Every developer has exactly one collection, `pinned`, and it has the developer's id: there is nothing to store. */
export function pinnedCollectionOf(developerId: number): CollectionBody {
  return {
    id: developerId,
    type: 'pinned',
    name: 'pinned',
    url: `${config.PUBLIC_URL}/api/v1/collections/${developerId}.json`,
  };
}
