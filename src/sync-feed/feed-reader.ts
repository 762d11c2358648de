import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { config } from '../config.js';
import { coalesce } from '../database/coalesce.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { READ_CLOCKS } from '../feed-clock/feed-clock.js';
import { type Chunk, READ_CHANGES, READ_LATEST_CHANGES } from './read-changes.js';
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
  userId: number;
  /** Cursor of the client, in ms since 1970. */
  since: number;
  /** Read the primary, not a replica. */
  fromPrimary: boolean;
}

interface FeedRow {
  user_id: number;
  clock: Date;
}

/** Reads clocks and changes of feeds: from a replica, or from the primary where no replica is far enough. */
@Injectable()
export class FeedReader {
  /** Requests that arrive together share one query: an idle poll costs a fraction of a round trip. */
  private readonly clocks = coalesce<ClockRequest, Date | undefined>((requests) => this.readClocks(requests));

  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  /** @returns undefined: there is no such feed */
  readClock(request: ClockRequest): Promise<Date | undefined> {
    return this.clocks.load(request);
  }

  /**
   * The next changes of an answer.
   *
   * @param after exclusive start, in ms since 1970
   * @param room maximum number of items
   */
  async readChunk(
    { userId, since, until, assets, isCompact }: SyncRequest,
    after: number,
    room: number,
  ): Promise<Chunk> {
    if (after >= until.getTime()) return NO_CHANGES;
    const [chunk] = await this.dataSource.readFromReplica<(Chunk & { clock: Date }) | undefined>(
      isCompact ? READ_LATEST_CHANGES : READ_CHANGES,
      [
        userId,
        dateOf(after),
        assets,
        Math.min(CHUNK_SIZE, room),
        until,
        PUBLIC_URL_JSON,
        ...(isCompact ? [dateOf(since)] : []),
      ],
      // A replica that has the clock has every change up to it.
      ([found]) => found !== undefined && found.clock >= until,
    );
    if (!chunk) throw new Error(`developer ${userId} has no feed`);
    return chunk;
  }

  private async readClocks(requests: readonly ClockRequest[]): Promise<(Date | undefined)[]> {
    const clocksOf = (rows: FeedRow[]) => {
      const clocks = new Map(rows.map(({ user_id, clock }) => [user_id, clock]));
      return requests.map(({ userId }) => clocks.get(userId));
    };
    const parameters = [requests.map(({ userId }) => userId)];
    if (requests.some(({ fromPrimary }) => fromPrimary))
      return clocksOf(await this.dataSource.execute(READ_CLOCKS, parameters));
    const rows = await this.dataSource.readFromReplica<FeedRow>(
      READ_CLOCKS,
      parameters,
      // A cursor never goes back: a replica behind the client is not far enough.
      (found) =>
        clocksOf(found).every((clock, i) => clock !== undefined && clock.getTime() >= requests[i].since),
    );
    return clocksOf(rows);
  }
}

/** No event is older than 1970, and PostgreSQL has another format for the year 0. */
const dateOf = (time: number) => new Date(Math.max(time, 0));
