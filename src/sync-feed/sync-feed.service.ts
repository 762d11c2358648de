import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { hash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Caller } from '../access/caller.js';
import type { DeveloperIdentity } from '../access/caller.js';
import { DevelopersService } from '../developers/developers.service.js';
import { missingParameter, notFound } from '../http/api-error.js';
import { config } from '../config.js';
import { coalesce } from '../database/coalesce.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { READ_CLOCKS } from '../feed-clock/feed-clock.js';
import { READ_CHANGES, READ_LATEST_CHANGES } from './read-changes.js';
import { cursorOf, parseSince } from './since.js';
import type { SyncMetaBody } from './sync-feed.dto.js';
import { ALL_ASSETS, type SyncQuery } from './sync-query.js';

export const SYNC_PATH = 'api/v1/sync.json';

/**
 * Events read by one query. Their text is about 100 kB: short of the 128 kB from which V8 keeps strings where only a
 * full collection frees them, which is what keeps the memory of a long stream flat.
 */
const CHUNK = 500;

interface Chunk {
  /** Of items: fewer than were read where `compact` leaves some out. */
  count: number;
  /** Datetime of the last change that was read; null when there is none. */
  last: Date | null;
  /** The items as JSON, separated by commas; null when there is none. */
  items: string | null;
  /** Is there anything after these items, up to the clock? */
  hasMore: boolean;
}

interface FeedRequest {
  feed: DeveloperIdentity;
  /** Exclusive, in ms since 1970. */
  since: number;
  /** Undefined: all. */
  assets: string[] | undefined;
  limit: number;
  isCompact: boolean;
  /** Inclusive: the clock, as this request found it. */
  until: Date;
}

interface ClockRequest {
  userId: number;
  /** What the client has already, in ms since 1970. */
  since: number;
  /** Only the clock of the primary will do. */
  isFresh: boolean;
}

export interface SyncAnswer {
  /** Names the state of the feed: same caller, same URL, same tag means same answer. */
  etag: string;
  /** The JSON text; a stream when it is long. */
  body: () => Promise<string | Readable>;
}

/** Reads what the subscriber wrote: the changes of one developer's feed after a datetime. */
@Injectable()
export class SyncFeedService {
  /** Clocks of feeds: an idle poll costs a share of a round trip. */
  private readonly clocks = coalesce<ClockRequest, Date | undefined>((requests) => this.readClocks(requests));

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly developers: DevelopersService,
  ) {}

  /** @throws ApiError 400, 403, 404, 422 */
  async sync(caller: Caller, query: SyncQuery): Promise<SyncAnswer> {
    const since = parseSince(query.since);
    const feed = await this.findFeed(caller, query.developerId);
    const until = await this.clocks.load({
      userId: feed.userId,
      since,
      // An application may have just been told of a change that a replica has not got.
      isFresh: caller.client !== undefined,
    });
    if (!until) throw new Error(`developer ${feed.userId} has no row`);
    const { client } = caller;
    // A cursor belongs to a set of assets: what follows says which, whatever the setting of the client is by then.
    const assets = query.assets ?? (client && (client.defaultAssets?.join(',') ?? ALL_ASSETS));
    const request: FeedRequest = {
      feed,
      since,
      assets: assets === undefined || assets === ALL_ASSETS ? undefined : assets.toLowerCase().split(','),
      limit: query.limit ?? Infinity,
      isCompact: query.compact === 'true',
      until,
    };
    return {
      etag: etagOf(feed.userId, until, query.assets === undefined ? assets : undefined),
      body: async () => {
        const first = since < until.getTime() ? await this.readChunk(request, since, request.limit) : NOTHING;
        const end = (last: Chunk, count: number) =>
          `],"meta":${JSON.stringify(metaOf(request, { ...query, assets }, caller.isAdmin, last, count))}}`;
        const isWhole = !first.hasMore || first.count === request.limit;
        if (isWhole) return `${START}${first.items ?? ''}${end(first, first.count)}`;
        return Readable.from(this.write(request, first, end), { objectMode: false });
      },
    };
  }

  private async findFeed(caller: Caller, developerId: string | undefined): Promise<DeveloperIdentity> {
    if (developerId === undefined) {
      if (caller.developer) return caller.developer;
      throw missingParameter('developerId');
    }
    caller.assertActsFor(developerId);
    const feed = await this.developers.find(developerId);
    if (!feed) throw notFound(`There is no developer ${developerId}.`);
    return feed;
  }

  /** A replica may be behind, but not behind the client: a cursor never goes back. */
  private async readClocks(requests: readonly ClockRequest[]): Promise<(Date | undefined)[]> {
    const clocksOf = (rows: { user_id: number; clock: Date }[]) => {
      const clocks = new Map(rows.map(({ user_id, clock }) => [user_id, clock]));
      return requests.map(({ userId }) => clocks.get(userId));
    };
    const parameters = [requests.map(({ userId }) => userId)];
    if (requests.some(({ isFresh }) => isFresh))
      return clocksOf(await this.dataSource.execute(READ_CLOCKS, parameters));
    const rows = await this.dataSource.readFromReplica<{ user_id: number; clock: Date }>(
      READ_CLOCKS,
      parameters,
      (found) =>
        clocksOf(found).every((clock, i) => clock !== undefined && clock.getTime() >= requests[i].since),
    );
    return clocksOf(rows);
  }

  /**
   * @param after exclusive start, in ms since 1970
   * @param room how many items may still be returned
   */
  private async readChunk(request: FeedRequest, after: number, room: number): Promise<Chunk> {
    const { feed, since, assets, isCompact, until } = request;
    const [chunk] = await this.dataSource.readFromReplica<(Chunk & { clock: Date }) | undefined>(
      isCompact ? READ_LATEST_CHANGES : READ_CHANGES,
      [
        feed.userId,
        dateOf(after),
        assets ?? null,
        Math.min(CHUNK, room),
        until,
        JSON.stringify(config.PUBLIC_URL).slice(1, -1),
        ...(isCompact ? [dateOf(since)] : []),
      ],
      // What is in range is there when the clock is.
      ([found]) => found !== undefined && found.clock >= until,
    );
    if (!chunk) throw new Error(`developer ${feed.userId} has no row`);
    return chunk;
  }

  /** A long answer of spec/sync-endpoint.md, in pieces of one chunk each. */
  private async *write(
    request: FeedRequest,
    first: Chunk,
    end: (last: Chunk, count: number) => string,
  ): AsyncGenerator<string> {
    let chunk = first;
    let count = 0;
    yield START;
    for (;;) {
      if (chunk.items !== null) yield count > 0 ? `,${chunk.items}` : chunk.items;
      count += chunk.count;
      if (!chunk.hasMore || count === request.limit) break;
      chunk = await this.readChunk(request, chunk.last!.getTime(), request.limit - count);
    }
    yield end(chunk, count);
  }
}

const START = '{"items":[';

const NOTHING: Chunk = { count: 0, last: null, items: null, hasMore: false };

/** @param assets that the URL does not name */
function etagOf(feedId: number, until: Date, assets: string | undefined): string {
  const parts = [feedId.toString(36), until.getTime().toString(36)];
  if (assets !== undefined) parts.push(hash('sha256', assets, 'base64url').slice(0, 16));
  return `"${parts.join('-')}"`;
}

/** No event is older than 1970, and PostgreSQL writes the year 0 in a way of its own. */
const dateOf = (time: number) => new Date(Math.max(time, 0));

function metaOf(
  { since, limit, until: clock }: FeedRequest,
  { assets, developerId, compact }: SyncQuery,
  namesFeed: boolean,
  { hasMore, last }: Chunk,
  count: number,
): SyncMetaBody {
  // A page that is cut goes on after its last item; anything else has brought its client up to the clock.
  const until = cursorOf(hasMore ? last! : clock);
  const next = [
    assets !== undefined && `assets=${encodeURIComponent(assets)}`,
    `since=${encodeURIComponent(until)}`,
    // Without it, an admin's next request would not say whose feed it wants.
    namesFeed && developerId !== undefined && `developerId=${encodeURIComponent(developerId)}`,
    // From the clock on, the feed has what happens next, and each change of it matters.
    hasMore && compact !== undefined && `compact=${compact}`,
  ].filter(Boolean);
  return {
    rwgps_datetime: until,
    next_sync_url: `${config.PUBLIC_URL}/${SYNC_PATH}?${next.join('&')}`,
    item_count: count,
    date_range: { since: new Date(since).toISOString().replace('.000Z', 'Z'), until },
    ...(limit === Infinity ? {} : { has_more: hasMore }),
  };
}
