import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DeveloperIdentity } from '../access/caller.js';
import { turns } from '../access/turns.js';
import { config } from '../config.js';
import { coalesce } from '../database/coalesce.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { FeedClock, type FeedState, READ_CLOCKS } from '../feed-clock/feed-clock.js';
import { Histories, type LostTime } from '../histories/histories.js';
import { serviceUnavailable } from '../http/api-error.js';
import { chunkRead } from '../signals/signals.js';
import { type Chunk, READ_CHANGES, READ_LAST_SURVIVOR, READ_LATEST_CHANGES } from './read-changes.js';
import type { SyncRequest } from './sync-request.js';

/**
 * Changes per query. Their text is about 100 kB. V8 puts strings from 128 kB on into a space that only a full
 * garbage collection frees; below that, the memory of a long stream stays flat.
 */
const CHUNK_SIZE = 500;

/** PUBLIC_URL, escaped for a JSON string: a parameter of the statements of read-changes.ts. */
export const PUBLIC_URL_JSON = JSON.stringify(config.PUBLIC_URL).slice(1, -1);

const NO_CHANGES: Chunk = { count: 0, last: null, items: null, hasMore: false };

interface ClockRequest {
  developer: DeveloperIdentity;
  /** Cursor of the client, in ms since 1970. */
  since: number;
  /** Read the primary, not a replica. */
  fromPrimary: boolean;
}

/** Reads clocks and changes of feeds: from a replica, or from the primary where no replica is far enough. */
@Injectable()
export class FeedReader {
  /** Requests that arrive together share one query: an idle poll costs a fraction of a round trip. */
  private readonly clocks = coalesce<ClockRequest, FeedState | undefined>((requests) =>
    this.readClocks(requests),
  );

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly feedClock: FeedClock,
    private readonly histories: Histories,
  ) {}

  /** @throws ApiError 503 if the database has no such feed (any more) */
  async readClock(request: ClockRequest): Promise<FeedState> {
    const feed = await this.clocks.load(request);
    if (!feed) throw this.feedClock.staleIdentity();
    return feed;
  }

  /**
   * The last tick of a feed that survived the loss of a range of time, in ms since 1970; -Infinity: the feed
   * was born later.
   */
  async readLastSurvivor(userId: number, { to }: LostTime): Promise<number> {
    const [{ survivor }] = await this.dataSource.execute<{ survivor: Date | null }>(READ_LAST_SURVIVOR, [
      userId,
      new Date(to),
    ]);
    return survivor?.getTime() ?? -Infinity;
  }

  /**
   * The next changes of an answer.
   *
   * @param after exclusive start, in ms since 1970
   * @param room maximum number of items
   */
  async readChunk(
    { developer, since, until, assets, isCompact, isInitial, horizon }: SyncRequest,
    after: number,
    room: number,
  ): Promise<Chunk> {
    if (after >= until.getTime()) return NO_CHANGES;
    const [chunk] = await turns.run(developer.userId, () =>
      this.dataSource.readFromReplica<(Chunk & FeedState) | undefined>(
        isCompact ? READ_LATEST_CHANGES : READ_CHANGES,
        [
          developer.userId,
          dateOf(after),
          assets,
          Math.min(CHUNK_SIZE, room),
          until,
          PUBLIC_URL_JSON,
          ...(isCompact ? [dateOf(isInitial ? 0 : since)] : []),
        ],
        // A replica that has the clock has every change up to it.
        ([found]) => found !== undefined && found.clock >= until && this.histories.isPresent(found.history),
      ),
    );
    if (chunk?.developer_id !== developer.developerId) throw this.feedClock.staleIdentity();
    // Retention went on while the answer was written, and has pruned changes of the next chunk.
    if (chunk.floor && chunk.floor.getTime() > horizon) throw serviceUnavailable('Try again.');
    if (chunk.items !== null) chunkRead.publish({ isCompact, count: chunk.count, items: chunk.items });
    return chunk;
  }

  private async readClocks(requests: readonly ClockRequest[]): Promise<(FeedState | undefined)[]> {
    const feedsOf = (rows: FeedState[]) => {
      const feeds = new Map(rows.map((feed) => [feed.user_id, feed]));
      return requests.map(({ developer: { userId, developerId } }) => {
        const feed = feeds.get(userId);
        return feed?.developer_id === developerId ? feed : undefined;
      });
    };
    const parameters = [requests.map(({ developer }) => developer.userId)];
    if (requests.some(({ fromPrimary }) => fromPrimary))
      return feedsOf(await this.dataSource.execute(READ_CLOCKS, parameters));
    const rows = await this.dataSource.readFromReplica<FeedState>(
      READ_CLOCKS,
      parameters,
      // A cursor never goes back: a replica behind the client is not far enough.
      (found) =>
        feedsOf(found).every(
          (feed, i) =>
            feed && feed.clock.getTime() >= requests[i].since && this.histories.isPresent(feed.history),
        ),
    );
    return feedsOf(rows);
  }
}

/** No event is older than 1970, and PostgreSQL has another format for the year 0. */
const dateOf = (time: number) => new Date(Math.max(time, 0));
