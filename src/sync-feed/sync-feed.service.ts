import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Readable } from 'node:stream';
import type { Caller } from '../auth/caller.js';
import { type DeveloperIdentity, DevelopersService } from '../auth/developers.service.js';
import { missingParameter, notFound } from '../common/api-error.js';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { parseSince } from './since.js';
import type { SyncMetaBody, SyncQuery } from './sync-feed.dto.js';

export const SYNC_PATH = 'api/v1/sync.json';

/**
 * Events read by one query. Their text is about 100 kB: short of the 128 kB from which V8 keeps strings where only a
 * full collection frees them, which is what keeps the memory of a long stream flat.
 */
const CHUNK = 500;

/** An item as the answer shows it, in the order of `SyncItemBody`. No value needs escaping: types are plain words. */
const ITEM = `
  '{"item_type":"' || item_type || '","item_id":' || item_id || ',"item_user_id":' || item_user_id
    || ',"item_url":"' || $6 || '/api/v1/' || asset || '/' || item_id || '.json","action":"' || action
    || '","datetime":"' || to_char(datetime AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    || '","collection":' || CASE WHEN collection_id IS NULL THEN 'null' ELSE
      '{"id":' || collection_id || ',"type":"pinned","name":"pinned","url":"' || $6 || '/api/v1/collections/'
      || collection_id || '.json"}' END || '}'`;

/**
 * The one query of the feed: the clock, and the changes after `$2` up to the clock, of one snapshot. Changes up to
 * a clock that has been read never change and never grow in number, so what does not fit into one chunk can be
 * read by later queries, without a transaction held open for the time that a slow client takes.
 *
 * PostgreSQL writes the JSON: a row for each item, parsed here only to be written again, costs several times as much.
 *
 * $1 feed, $2 since (exclusive), $3 assets or null for all, $4 at most so many items, $5 until or null for the clock,
 * $6 PUBLIC_URL as the inside of a JSON string
 */
const READ_CHUNK = `
  SELECT
    feed_clock AS clock,
    (count(*) FILTER (WHERE n <= $4))::int AS count,
    max(datetime) FILTER (WHERE n <= $4) AS last,
    string_agg(${ITEM}, ',' ORDER BY n) FILTER (WHERE n <= $4) AS items,
    coalesce(bool_or(n > $4), false) AS "hasMore"
  FROM developers d
  LEFT JOIN LATERAL (
    SELECT *, row_number() OVER (ORDER BY datetime) AS n
    FROM change_events
    WHERE feed_id = d.id AND datetime > $2 AND datetime <= least(d.feed_clock, $5)
      AND ($3::text[] IS NULL OR asset = ANY ($3))
    ORDER BY datetime
    LIMIT $4::int + 1
  ) e ON true
  WHERE d.id = $1
  GROUP BY d.id`;

interface Chunk {
  clock: Date;
  count: number;
  /** Datetime of the last item; null when there is none. */
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
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
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
        const isWhole = !first.hasMore || first.count === request.limit;
        return isWhole ? text(parts) : Readable.from(parts, { objectMode: false });
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

  /**
   * @param after exclusive start, in ms since 1970
   * @param room how many items may still be returned
   * @param until inclusive end; undefined for the clock
   */
  private async readChunk(
    { feed, assets }: FeedRequest,
    after: number,
    room: number,
    until?: Date,
  ): Promise<Chunk> {
    const [chunk] = await this.dataSource.read<Chunk | undefined>(READ_CHUNK, [
      feed.id,
      // No event is older than 1970, and PostgreSQL writes the year 0 in a way of its own.
      new Date(Math.max(after, 0)),
      assets ?? null,
      Math.min(CHUNK, room),
      until ?? null,
      JSON.stringify(config.PUBLIC_URL).slice(1, -1),
    ]);
    if (!chunk) throw new Error(`developer ${feed.id} has no row`);
    return chunk;
  }

  /** The answer of spec/sync-endpoint.md, in pieces of one chunk each. */
  private async *write(
    request: FeedRequest,
    query: SyncQuery,
    first: Chunk,
    namesFeed: boolean,
  ): AsyncGenerator<string> {
    let chunk = first;
    let count = 0;
    yield '{"items":[';
    for (;;) {
      if (chunk.items !== null) yield count > 0 ? `,${chunk.items}` : chunk.items;
      count += chunk.count;
      if (!chunk.hasMore || count === request.limit) break;
      chunk = await this.readChunk(request, chunk.last!.getTime(), request.limit - count, first.clock);
    }
    // A page that is cut goes on after its last item; anything else has brought its client up to the clock.
    const until = chunk.hasMore ? chunk.last! : first.clock;
    const meta = metaOf(request, query, namesFeed, until, count);
    if (request.limit !== Infinity) meta.has_more = chunk.hasMore;
    yield `],"meta":${JSON.stringify(meta)}}`;
  }
}

async function text(parts: AsyncIterable<string>): Promise<string> {
  let whole = '';
  for await (const part of parts) whole += part;
  return whole;
}

function metaOf(
  { since }: FeedRequest,
  { assets, developerId }: SyncQuery,
  namesFeed: boolean,
  clock: Date,
  count: number,
): SyncMetaBody {
  const until = clock.toISOString().replace('Z', '+00:00');
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
