import { pluralize } from 'inflection';
import { LRUCache } from 'lru-cache';

/** A letter, then letters, digits, `_` or `-`. */
export const RESOURCE_TYPE = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** Names under /api/v1/ that are, or are kept for, routes of our own. */
const RESERVED = new Set([
  'api-client',
  'api-clients',
  'api-key',
  'api-keys',
  'collection',
  'collections',
  'developer',
  'developers',
  'grant',
  'grants',
  'health',
  'oauth',
  'sync',
  'syncs',
  'user',
  'users',
  'webhook',
  'webhooks',
]);

/** The feed's name for a type: `FEATURE_FLAG_STATE` is `feature_flag_state`. */
export const itemTypeOf = (resourceType: string) => resourceType.toLowerCase();

/** The name of a type in URLs and in `assets`: `route` is `routes`, `policy` is `policies`. */
export function assetOf(itemType: string): string {
  const known = assets.get(itemType);
  if (known !== undefined) return known;
  const asset = pluralize(itemType);
  assets.set(itemType, asset);
  return asset;
}

/** The plural takes dozens of patterns to find; services have few types. */
const assets = new LRUCache<string, string>({ max: 1_000 });

/** May a record have this type? */
export function isResourceType(value: unknown): value is string {
  return typeof value === 'string' && RESOURCE_TYPE.test(value) && !RESERVED.has(itemTypeOf(value));
}
