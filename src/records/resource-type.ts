import { pluralize } from 'inflection';
import { LRUCache } from 'lru-cache';

/** A letter, then letters, digits, `_` or `-`. */
export const RESOURCE_TYPE = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** First path segments under /api/v1/ that routes use or may use. No resource type has such a name. */
const RESERVED = new Set([
  'audit-log',
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

/** Name of a type in the feed: `feature_flag_state` for `FEATURE_FLAG_STATE`. */
export const itemTypeOf = (resourceType: string) => resourceType.toLowerCase();

/** Name of a type in URLs and in `assets`, its plural: `routes` for `route`, `policies` for `policy`. */
export function assetOf(itemType: string): string {
  const known = assets.get(itemType);
  if (known !== undefined) return known;
  const asset = pluralize(itemType);
  assets.set(itemType, asset);
  return asset;
}

/** Cache: a plural takes dozens of patterns to find, and services have few types. */
const assets = new LRUCache<string, string>({ max: 1_000 });

export function isResourceType(value: unknown): value is string {
  return typeof value === 'string' && RESOURCE_TYPE.test(value) && !RESERVED.has(itemTypeOf(value));
}
