import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Negotiator from 'negotiator';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { AdmittedRequest } from '../access/admission.interceptor.js';
import type { Caller } from '../access/caller.js';
import { isDatetime } from '../api/rules.js';
import { invalidRequest } from '../http/api-error.js';
import { reportError } from '../http/api-error.filter.js';
import { varyOn } from '../http/cors.js';
import type { LiveRequest } from '../live/live-request.js';
import { LiveRequests } from '../live/live-requests.js';
import { feedRead } from '../signals/signals.js';
import { nextQueryOf } from './sync-answer.js';
import { SyncFeedService } from './sync-feed.service.js';
import type { SyncQuery } from './sync-query.js';

/** ms without an event until a comment: proxies and clients cut off what is silent for longer. */
const HEARTBEAT = 20_000;

/** Items of one event: one chunk. */
const PAGE = 500;

const EVENT_STREAM = 'text/event-stream';

/** A cursor; within a compact sync also the end of its pages, and whether it is a first sync. */
const EVENT_ID = /^([^/]+)(?:\/([^/]+)(\/initial)?)?$/;

/** Content negotiation (RFC 9110, section 12.5.1): JSON, unless the client prefers events. */
export const wantsEvents = ({ headers, raw }: FastifyRequest): boolean =>
  headers.accept?.toLowerCase().includes(EVENT_STREAM) === true &&
  new Negotiator(raw).mediaType(['application/json', EVENT_STREAM]) === EVENT_STREAM;

/**
 * Server-sent events: each event is a page, and its id the cursor after it. A client that loses its connection goes
 * on with `Last-Event-ID`, and loses nothing: the stream is a row of ordinary reads.
 *
 * Backpressure: the next page is read when the client has taken the last one.
 */
@Injectable()
export class EventStream {
  constructor(
    private readonly feed: SyncFeedService,
    private readonly live: LiveRequests,
  ) {}

  /** @throws ApiError as an ordinary request, before the stream begins */
  async open(
    caller: Caller,
    query: SyncQuery,
    request: AdmittedRequest,
    reply: FastifyReply,
  ): Promise<Readable | string> {
    const start = resumed(query, request.headers['last-event-id']);
    const { developer } = await this.feed.resolve(caller, start);
    const live = this.live.open(caller, developer.userId, reply);
    void reply.headers({
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'private, no-cache, no-transform',
      Vary: varyOn('Authorization, Accept'),
      // nginx would collect the events.
      'X-Accel-Buffering': 'no',
    });
    if (request.method === 'HEAD') return '';
    const events = this.events(start, live, request, reply.raw);
    return Readable.from(events, { objectMode: false, highWaterMark: 1 });
  }

  private async *events(
    start: SyncQuery,
    live: LiveRequest,
    { answer: memory, id: reqId }: AdmittedRequest,
    response: ServerResponse,
  ): AsyncGenerator<string> {
    const limit = Math.min(start.limit ?? PAGE, PAGE);
    let query = { ...start, limit };
    /** Changes up to here are of other assets; undefined: none. */
    let skipped: number | undefined;
    let isWoken = false;
    // The first event tells where the client is, even if there is nothing new.
    let sentAt = -Infinity;
    try {
      for (;;) {
        if (response.destroyed) return;
        live.arm();
        const sync = await this.feed.resolve(live.caller, query, isWoken);
        const page = await this.feed.first(sync, memory, skipped);
        const { count, hasMore } = page;
        // A page of a compact sync shows the feed as of the first one: what came since then has woken it before.
        const isSnapshot = query.until !== undefined;
        live.seen = sync.until.getTime();
        const isLate = live.isEnded || performance.now() - sentAt >= HEARTBEAT;
        const hasMoved = sentAt === -Infinity || live.seen > sync.since;
        if (count > 0 || hasMore || isSnapshot || (isLate && hasMoved)) {
          const next = nextQueryOf(sync, page);
          feedRead.publish({ isCompact: sync.isCompact, result: count > 0 ? 'changes' : 'empty' });
          yield `id: ${idOf(next)}\ndata: ${await this.feed.text(sync, page)}\n\n`;
          sentAt = performance.now();
          await drained(response);
          query = { ...next, limit, digest: hasMore ? query.digest : undefined };
          skipped = undefined;
        } else {
          if (isLate) {
            yield ':\n\n';
            sentAt = performance.now();
          }
          skipped = live.seen;
        }
        if (live.isEnded) return;
        if (hasMore || isSnapshot) continue;
        await memory.resize(0);
        isWoken = await live.sleep(sentAt + HEARTBEAT - performance.now());
      }
    } catch (error) {
      yield `event: error\ndata: ${JSON.stringify(reportError(error, reqId).getResponse())}\n\n`;
    }
  }
}

const idOf = ({ since, until, initial }: SyncQuery) =>
  [since, until, initial && 'initial'].filter((part) => part !== undefined).join('/');

/** `Last-Event-ID` wins over `since`. @throws ApiError 400 */
function resumed(query: SyncQuery, id: string | string[] | undefined): SyncQuery {
  if (id === undefined || id === '') return query;
  const match = EVENT_ID.exec(String(id));
  const [, since, until, initial] = match ?? [];
  if (since === undefined || (until !== undefined && !isDatetime(until)))
    throw invalidRequest('Last-Event-ID must be the id of an event of this stream');
  const compact = until === undefined ? undefined : 'true';
  return { ...query, since, compact, until, initial: initial ? 'true' : undefined };
}

/** Waits until the client has taken what was written, or is gone. */
async function drained(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain || response.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
