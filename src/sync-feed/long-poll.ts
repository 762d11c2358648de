import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AdmittedRequest } from '../access/admission.interceptor.js';
import type { Caller } from '../access/caller.js';
import { isNotModified } from '../http/etag.js';
import { LiveRequests } from '../live/live-requests.js';
import type { Chunk } from './read-changes.js';
import { SyncFeedService } from './sync-feed.service.js';
import { MAX_WAIT, type SyncQuery } from './sync-query.js';
import type { SyncRequest } from './sync-request.js';

/** Clients that began together, such as after a restart, come back spread over a twentieth of the time. */
const JITTER = 0.05;

/** ms from the arrival of a request: it may have waited to be admitted, and its connection ends after 60 s. */
const LONGEST = 57_000;

const PREFER_WAIT = /(?:^|,)\s*wait\s*=\s*"?(\d+)"?\s*(?=[,;]|$)/i;

/** What one read of the feed has found. */
export interface Found {
  sync: SyncRequest;
  /** Its first changes; undefined: the client has this state already (304). */
  first?: Chunk;
}

const isEmpty = ({ first }: Found) => first === undefined || (first.count === 0 && !first.hasMore);

/**
 * Long polling: an answer that would be empty is held until there is a change.
 *
 * Waiting only decides when the ordinary read runs. So the cursor and everything else is as without it.
 */
@Injectable()
export class LongPoll {
  constructor(
    private readonly feed: SyncFeedService,
    private readonly live: LiveRequests,
  ) {}

  /** Reads the feed, at once or when it has changed. @throws ApiError */
  async read(
    caller: Caller,
    query: SyncQuery,
    request: AdmittedRequest,
    reply: FastifyReply,
  ): Promise<Found> {
    const found = await this.look(request, caller, query);
    // The pages of a compact sync show the feed as of the first one: no change can come.
    if (!isEmpty(found) || query.until !== undefined) return found;
    const preferred = query.wait === undefined ? preferredWait(request) : undefined;
    if (preferred !== undefined) void reply.header('Preference-Applied', `wait=${preferred}`);
    const wait = query.wait ?? preferred;
    return wait === undefined ? found : this.hold(found, wait, query, request, reply);
  }

  private async hold(
    found: Found,
    wait: number,
    query: SyncQuery,
    request: AdmittedRequest,
    reply: FastifyReply,
  ): Promise<Found> {
    const live = this.live.open(request.user!, found.sync.developer.userId, reply);
    const longest = LONGEST - reply.elapsedTime;
    const end = performance.now() + Math.min(wait * 1_000 * (1 - JITTER * Math.random()), longest);
    let latest = found;
    for (let isWoken = false; ;) {
      // Lost wake-up: a change between the last read and `open` has woken nothing. So it looks once more.
      live.arm();
      // What was empty before is not read again: changes of other assets do not end the wait.
      const after = latest.first && latest.sync.until.getTime();
      latest = await this.look(request, live.caller, query, isWoken, after);
      live.seen = latest.sync.until.getTime();
      if (!isEmpty(latest)) return latest;
      await request.answer.resize(0);
      isWoken = await live.sleep(end - performance.now());
      if (!isWoken) return latest;
    }
  }

  private async look(
    request: AdmittedRequest,
    caller: Caller,
    query: SyncQuery,
    fromPrimary = false,
    after?: number,
  ): Promise<Found> {
    const sync = await this.feed.resolve(caller, query, fromPrimary);
    if (isNotModified(request, sync.etag)) return { sync };
    return { sync, first: await this.feed.first(sync, request.answer, after) };
  }
}

/** Seconds that `Prefer: wait=n` (RFC 7240, section 4.3) means here. */
function preferredWait({ headers }: FastifyRequest): number | undefined {
  const [, wait] = PREFER_WAIT.exec(String(headers.prefer ?? '')) ?? [];
  return wait === undefined || Number(wait) === 0 ? undefined : Math.min(Number(wait), MAX_WAIT);
}
