import { hash } from 'node:crypto';
import type { Caller, DeveloperIdentity } from '../access/caller.js';
import { momentOf } from '../api/datetime.js';
import { ALL_ASSETS, assetFilterOf } from '../api/resource-type.js';
import { config } from '../config.js';
import type { FeedState } from '../feed-clock/feed-clock.js';
import type { SyncQuery } from './sync-query.js';

/** Parameters that `next_sync_url` repeats. */
type Repeated = Pick<SyncQuery, 'assets' | 'developerId' | 'compact' | 'wait'>;

/** A sync request with everything that the answer depends on. */
export interface SyncRequest {
  /** Owner of the feed. */
  developer: DeveloperIdentity;
  /** Exclusive, in ms since 1970. */
  since: number;
  /** Inclusive: the clock of the feed; from the second page of a compact sync on, that of the first page. */
  until: Date;
  /** Oldest `since` of a plain request that retention still allows; undefined: no retention. */
  oldestSince: Date | undefined;
  /** The answer is exact while retention has pruned nothing that is later than this, in ms since 1970. */
  horizon: number;
  /** In lower case; null: all. */
  assets: string[] | null;
  /** Infinity: no limit. */
  limit: number;
  isCompact: boolean;
  /** The client had no copy before this compact sync. */
  isInitial: boolean;
  wantsDigest: boolean;
  /** Parameters that `next_sync_url` repeats: `compact` only after a page that `limit` has cut. */
  repeated: Repeated;
  /** State of the feed: the same caller, URL and tag mean the same answer. */
  etag: string;
}

/**
 * @param since parsed
 * @param feed as just read
 */
export function syncRequestOf(
  caller: Caller,
  query: SyncQuery,
  developer: DeveloperIdentity,
  since: number,
  { clock, floor, born }: FeedState,
): SyncRequest {
  // A cursor belongs to a set of assets. `next_sync_url` names the set, so a new setting of the client does
  // not change it.
  const assets = query.assets ?? defaultAssetsOf(caller);
  const isCompact = query.compact === 'true';
  const isInitial = isCompact && (query.initial === 'true' || since <= born.getTime());
  const until = Math.min(
    clock.getTime(),
    isCompact && query.until ? momentOf(query.until).getTime() : Infinity,
  );
  return {
    developer,
    since,
    until: new Date(until),
    oldestSince: floor ?? (config.FEED_RETENTION_DAYS === undefined ? undefined : new Date(0)),
    // A first sync reads what exists at `until`: no tombstones, and nothing older.
    horizon: isInitial ? until : since,
    assets: assets === undefined ? null : assetFilterOf(assets.split(',')),
    limit: query.limit ?? Infinity,
    isCompact,
    isInitial,
    wantsDigest: query.digest === 'true',
    // An admin has no feed of its own: the next request must name one, too.
    repeated: {
      assets,
      developerId: caller.isAdmin ? query.developerId : undefined,
      compact: query.compact,
      wait: query.wait,
    },
    etag: etagOf(developer.userId, [clock, floor], query.assets === undefined ? assets : undefined),
  };
}

/** Default assets of the caller's client, as a query parameter; undefined: the caller has no client. */
const defaultAssetsOf = ({ client }: Caller) => client && (client.defaultAssets?.join(',') ?? ALL_ASSETS);

/** @param assets default of the client, which the URL does not name */
function etagOf(userId: number, times: (Date | null)[], assets: string | undefined): string {
  const parts = [userId, ...times.map(Number)]
    .filter((number) => number > 0)
    .map((part) => part.toString(36));
  if (assets !== undefined) parts.push(hash('sha256', assets, 'base64url').slice(0, 16));
  return `"${parts.join('-')}"`;
}
