import { Injectable } from '@nestjs/common';
import { Readable } from 'node:stream';
import type { Caller, DeveloperIdentity } from '../access/caller.js';
import { momentOf } from '../api/datetime.js';
import type { Reservation } from '../http/fair-limit.js';
import { DevelopersService } from '../developers/developers.service.js';
import { Histories } from '../histories/histories.js';
import { invalidRequest, missingParameter } from '../http/api-error.js';
import { feedRead } from '../signals/signals.js';
import { DigestReader } from './digest.js';
import { FeedReader } from './feed-reader.js';
import { cursorErased, cursorExpired, cursorLost } from './cursor-errors.js';
import type { Chunk } from './read-changes.js';
import { parseSince } from './since.js';
import { ANSWER_START, answerEnd, cursorAfter, resyncUrlOf } from './sync-answer.js';
import type { SyncQuery } from './sync-query.js';
import { type SyncRequest, syncRequestOf } from './sync-request.js';

/** Bytes of memory of an answer of one chunk, and of one that is streamed: the chunks between its stages. */
const CHUNK_BYTES = 160 * 1_024;
const STREAM_BYTES = 512 * 1_024;

/** Answers sync requests: resolve the request, read the changes in chunks, write the JSON. */
@Injectable()
export class SyncFeedService {
  constructor(
    private readonly developers: DevelopersService,
    private readonly reader: FeedReader,
    private readonly histories: Histories,
    private readonly digests: DigestReader,
  ) {}

  /**
   * Checks a request and reads the clock of its feed.
   *
   * @param fromPrimary a replica may not have yet what this request is about
   * @throws ApiError 400, 403, 404, 410, 422
   */
  async resolve(caller: Caller, query: SyncQuery, fromPrimary = false): Promise<SyncRequest> {
    const since = parseSince(query.since);
    if (query.until !== undefined && query.compact !== 'true')
      throw invalidRequest('until is only allowed with compact=true');
    if (query.initial !== undefined && query.until === undefined)
      throw invalidRequest('initial is only allowed with until');
    const developer = await this.findFeed(caller, query.developerId);
    // A webhook may have just notified an application of a change that a replica does not have yet.
    const isNotified = fromPrimary || caller.client !== undefined;
    const feed = await this.reader.readClock({ developer, since, fromPrimary: isNotified });
    const request = syncRequestOf(caller, query, developer, since, feed);
    await this.assertSurvives(request, query.until === undefined ? since : momentOf(query.until).getTime());
    const { erased_from: erasedFrom, born } = feed;
    if (erasedFrom && erasedFrom.getTime() <= since && since < born.getTime())
      throw cursorErased(resyncUrlOf(request));
    if (feed.floor && feed.floor.getTime() > request.horizon) throw cursorExpired(resyncUrlOf(request));
    return request;
  }

  /**
   * A cursor of a lost time may be ahead of what its feed still has. It is later than the last tick that
   * survived; a cursor that survived is not, since a cursor is a clock of its feed.
   *
   * @param cursor for a page of a compact sync, the clock of the first page: the pages show the feed as of it
   * @throws ApiError 410
   */
  private async assertSurvives(request: SyncRequest, cursor: number): Promise<void> {
    for (const lostTime of this.histories.lostTimesOf(cursor)) {
      const survivor = await this.reader.readLastSurvivor(request.developer.userId, lostTime);
      if (cursor > survivor) throw cursorLost(resyncUrlOf(request));
    }
  }

  /**
   * The first changes of an answer.
   *
   * @param memory of the answer
   * @param after exclusive start, in ms since 1970: later than `since` where there is nothing in between
   */
  async first(request: SyncRequest, memory: Reservation, after = request.since): Promise<Chunk> {
    if (after < request.until.getTime()) await memory.resize(CHUNK_BYTES);
    return this.reader.readChunk(request, after, request.limit);
  }

  /** JSON text of a `SyncBody` of one chunk. */
  async text(request: SyncRequest, first: Chunk): Promise<string> {
    return `${ANSWER_START}${first.items ?? ''}${await this.end(request, first, first.count)}`;
  }

  /**
   * @param first its first changes
   * @param memory of the answer
   * @returns the JSON text of a `SyncBody`; a stream if it needs several chunks
   */
  async answer(request: SyncRequest, first: Chunk, memory: Reservation): Promise<string | Readable> {
    feedRead.publish({ isCompact: request.isCompact, result: first.count > 0 ? 'changes' : 'empty' });
    if (isLast(request, first, first.count)) return this.text(request, first);
    await memory.resize(STREAM_BYTES);
    return Readable.from(this.stream(request, first), { objectMode: false });
  }

  private findFeed(caller: Caller, developerId: string | undefined): Promise<DeveloperIdentity> {
    if (developerId === undefined && !caller.developer) throw missingParameter('developerId');
    return this.developers.named(caller, developerId);
  }

  /** A long answer, one chunk at a time. */
  private async *stream(request: SyncRequest, first: Chunk): AsyncGenerator<string> {
    let chunk = first;
    let count = 0;
    yield ANSWER_START;
    for (;;) {
      if (chunk.items !== null) yield count > 0 ? `,${chunk.items}` : chunk.items;
      count += chunk.count;
      if (isLast(request, chunk, count)) break;
      chunk = await this.reader.readChunk(request, chunk.last!.getTime(), request.limit - count);
    }
    yield await this.end(request, chunk, count);
  }

  /** JSON text after the items. */
  private async end(request: SyncRequest, last: Chunk, count: number): Promise<string> {
    // Between two pages of a compact sync, the client has the library of no single moment.
    const hasDigest = request.wantsDigest && !(request.isCompact && last.hasMore);
    const digest = hasDigest ? await this.digests.read(request, cursorAfter(request, last)) : undefined;
    return answerEnd(request, last, count, digest);
  }
}

/** @param count items up to the end of this chunk */
const isLast = ({ limit }: SyncRequest, { hasMore }: Chunk, count: number) => !hasMore || count === limit;
