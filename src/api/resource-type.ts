import { pluralize } from 'inflection';
import { LRUCache } from 'lru-cache';

/** A letter, then letters, digits, `_` or `-`. */
export const RESOURCE_TYPE = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** A type or its plural: the longest one has 80 characters. */
const ASSET = /^[A-Za-z][A-Za-z0-9_-]{0,79}$/;

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

/** All assets, in `assets`. */
export const ALL_ASSETS = '*';

/**
 * A name in `assets`, in any case: an item type, or the plural of one. A type without records counts: a client may
 * wait for the first one. No type has any other name, so such a name is a mistake.
 */
export const isAsset = (name: unknown): name is string =>
  typeof name === 'string' && ASSET.test(name) && !RESERVED.has(itemTypeOf(name));

/** For error messages. */
export const ASSET_NAMES =
  'item types or their plurals, such as routes or trip: a letter and up to 79 letters, digits, "_" or "-", and ' +
  'not the name of a route, such as users';

/**
 * The filter that names in `assets` mean, in lower case; null: all. A name that is an item type means its plural,
 * too: `trip` is `trips`.
 */
export const assetFilterOf = (names: readonly string[]): string[] | null =>
  names.includes(ALL_ASSETS)
    ? null
    : [...new Set(names.map(itemTypeOf).flatMap((name) => [name, assetOf(name)]))];
