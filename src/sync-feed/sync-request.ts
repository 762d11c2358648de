import { hash } from 'node:crypto';
import type { Caller } from '../access/caller.js';
import { ALL_ASSETS, type SyncQuery } from './sync-query.js';

/** A sync request with everything that the answer depends on. */
export interface SyncRequest {
  /** The feed. */
  userId: number;
  /** Exclusive, in ms since 1970. */
  since: number;
  /** Inclusive: the clock of the feed. */
  until: Date;
  /** In lower case; null: all. */
  assets: string[] | null;
  /** Infinity: no limit. */
  limit: number;
  isCompact: boolean;
  wantsDigest: boolean;
  /** Parameters that `next_sync_url` repeats: `compact` only after a page that `limit` has cut. */
  repeated: Pick<SyncQuery, 'assets' | 'developerId' | 'compact'>;
  /** State of the feed: the same caller, URL and tag mean the same answer. */
  etag: string;
}

/**
 * @param since parsed
 * @param until clock of the feed
 */
export function syncRequestOf(
  caller: Caller,
  query: SyncQuery,
  userId: number,
  since: number,
  until: Date,
): SyncRequest {
  // A cursor belongs to a set of assets. `next_sync_url` names the set, so a new setting of the client does
  // not change it.
  const assets = query.assets ?? defaultAssetsOf(caller);
  return {
    userId,
    since,
    until,
    assets: assets === undefined || assets === ALL_ASSETS ? null : assets.toLowerCase().split(','),
    limit: query.limit ?? Infinity,
    isCompact: query.compact === 'true',
    wantsDigest: query.digest === 'true',
    // An admin has no feed of its own: the next request must name one, too.
    repeated: { assets, developerId: caller.isAdmin ? query.developerId : undefined, compact: query.compact },
    etag: etagOf(userId, until, query.assets === undefined ? assets : undefined),
  };
}

/** Default assets of the caller's client, as a query parameter; undefined: the caller has no client. */
const defaultAssetsOf = ({ client }: Caller) => client && (client.defaultAssets?.join(',') ?? ALL_ASSETS);

/** @param assets default of the client, which the URL does not name */
function etagOf(userId: number, until: Date, assets: string | undefined): string {
  const parts = [userId.toString(36), until.getTime().toString(36)];
  if (assets !== undefined) parts.push(hash('sha256', assets, 'base64url').slice(0, 16));
  return `"${parts.join('-')}"`;
}
