import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Readable } from 'node:stream';
import { DataSource } from 'typeorm';
import type { Caller } from '../auth/caller.js';
import { type DeveloperIdentity, DevelopersService } from '../auth/developers.service.js';
import { ApiError, notFound } from '../common/api-error.js';
import { config } from '../config.js';
import { itemUrl } from '../records/item.dto.js';
import type { Action } from './change-event.entity.js';
import { parseSince } from './since.js';
import type { SyncItemBody, SyncMetaBody, SyncQuery } from './sync-feed.dto.js';

export const SYNC_PATH = 'api/v1/sync.json';

/** Events read by one query: about 0.5 MB of memory, whatever the length of the feed. */
const CHUNK = 1_000;

/**
 * The one query of the feed: the clock, and the changes after `$2` up to the clock, of one snapshot. Changes up to
 * a clock that has been read never change and never grow in number, so what does not fit into one chunk can be
 * read by later queries, without a transaction held open for the time that a slow client takes.
 *
 * $1 feed, $2 since (exclusive), $3 assets or null for all, $4 at most so many, $5 until or null for the clock
 */
const READ_CHUNK = `
  SELECT d.feed_clock, e.*
  FROM developers d
  LEFT JOIN LATERAL (
    SELECT datetime, action, item_type, asset, item_id, item_user_id
    FROM change_events
    WHERE feed_id = d.id AND datetime > $2 AND datetime <= least(d.feed_clock, $5) AND ($3::text[] IS NULL OR asset = ANY ($3))
    ORDER BY datetime
    LIMIT $4
  ) e ON true
  WHERE d.id = $1
  ORDER BY e.datetime`;

interface Row {
  feed_clock: Date;
  /** Null, like all the rest, in the single row that stands for "nothing new". */
  datetime: Date | null;
  action: Action;
  item_type: string;
  asset: string;
  item_id: string;
  item_user_id: number;
}

type Event = Row & { datetime: Date };

interface Chunk {
  clock: Date;
  events: Event[];
  /** True when there is nothing more up to the clock. */
  isLast: boolean;
}

interface FeedRequest {
  feed: DeveloperIdentity;
  /** Exclusive, in ms since 1970. */
  since: number;
  /** Undefined: all. */
  assets: string[] | undefined;
  limit: number;
}

export interface SyncAnswer {
  /** Names the state of the feed: same caller, same URL, same tag means same answer. */
  etag: string;
  /** The JSON text; a stream when it is long. */
  body: () => Promise<string> | Readable;
}

/** Reads what the subscriber wrote: the changes of one developer's feed after a datetime. */
@Injectable()
export class SyncFeedService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly developers: DevelopersService,
  ) {}

  /** @throws ApiError 400, 403, 404, 422 */
  async sync(caller: Caller, query: SyncQuery): Promise<SyncAnswer> {
    const request: FeedRequest = {
      since: parseSince(query.since),
      feed: await this.findFeed(caller, query.developerId),
      assets: query.assets?.toLowerCase().split(','),
      limit: query.limit ?? Infinity,
    };
    const first = await this.readChunk(request, request.since, request.limit);
    return {
      etag: `"${request.feed.id.toString(36)}-${first.clock.getTime().toString(36)}"`,
      body: () => {
        const parts = this.write(request, query, first, caller.isAdmin);
        return first.isLast || first.events.length > request.limit
          ? text(parts)
          : Readable.from(parts, { objectMode: false });
      },
    };
  }

  private async findFeed(caller: Caller, developerId: string | undefined): Promise<DeveloperIdentity> {
    if (developerId === undefined) {
      if (caller.developer) return caller.developer;
      throw new ApiError(422, 'missing_parameter', 'Missing required parameter: developerId');
    }
    caller.assertActsFor(developerId);
    const feed = await this.developers.find(developerId);
    if (!feed) throw notFound(`There is no developer ${developerId}.`);
    return feed;
  }

  /**
   * @param after exclusive start, in ms since 1970
   * @param room how many items may still be returned; one more is read, to know whether there is more
   * @param until inclusive end; undefined for the clock
   */
  private async readChunk(
    { feed, assets }: FeedRequest,
    after: number,
    room: number,
    until?: Date,
  ): Promise<Chunk> {
    const size = Math.min(CHUNK, room + 1);
    // No event is older than 1970, and PostgreSQL writes the year 0 in a way of its own.
    const start = new Date(Math.max(after, 0));
    const rows: Row[] = await this.dataSource.query(READ_CHUNK, [
      feed.id,
      start,
      assets ?? null,
      size,
      until ?? null,
    ]);
    if (rows.length === 0) throw new Error(`developer ${feed.id} has no row`);
    const events = rows.filter((row): row is Event => row.datetime !== null);
    return { clock: rows[0].feed_clock, events, isLast: events.length < size };
  }

  /** The answer of spec/sync-endpoint.md, in pieces of one chunk each. */
  private async *write(
    request: FeedRequest,
    query: SyncQuery,
    first: Chunk,
    namesFeed: boolean,
  ): AsyncGenerator<string> {
    const { limit } = request;
    let chunk = first;
    let count = 0;
    let end = first.clock;
    let hasMore: boolean;
    yield '{"items":[';
    for (;;) {
      const events = chunk.events.slice(0, limit - count);
      hasMore = chunk.events.length > events.length;
      if (events.length > 0) {
        yield (count > 0 ? ',' : '') + events.map((event) => JSON.stringify(itemOf(event))).join(',');
        count += events.length;
        end = events[events.length - 1].datetime;
      }
      if (hasMore || chunk.isLast) break;
      chunk = await this.readChunk(request, end.getTime(), limit - count, first.clock);
    }
    if (!hasMore) end = first.clock;
    const meta = metaOf(request, query, namesFeed, end, count);
    if (limit !== Infinity) meta.has_more = hasMore;
    yield `],"meta":${JSON.stringify(meta)}}`;
  }
}

async function text(parts: AsyncIterable<string>): Promise<string> {
  let whole = '';
  for await (const part of parts) whole += part;
  return whole;
}

function itemOf(event: Event): SyncItemBody {
  const itemId = Number(event.item_id);
  return {
    item_type: event.item_type,
    item_id: itemId,
    item_user_id: event.item_user_id,
    item_url: itemUrl(event.asset, itemId),
    action: event.action,
    datetime: event.datetime.toISOString(),
    collection: null,
  };
}

function metaOf(
  { since }: FeedRequest,
  { assets, developerId }: SyncQuery,
  namesFeed: boolean,
  end: Date,
  count: number,
): SyncMetaBody {
  const until = end.toISOString().replace('Z', '+00:00');
  const next = new URLSearchParams({
    ...(assets === undefined ? {} : { assets }),
    since: until,
    // Without it, an admin's next request would not say whose feed it wants.
    ...(namesFeed && developerId !== undefined ? { developerId } : {}),
  });
  return {
    rwgps_datetime: until,
    next_sync_url: `${config.PUBLIC_URL}/${SYNC_PATH}?${next.toString()}`,
    item_count: count,
    date_range: { since: new Date(since).toISOString().replace('.000Z', 'Z'), until },
  };
}
