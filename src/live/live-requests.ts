import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Caller } from '../access/caller.js';
import { unauthenticated } from '../access/refusals.js';
import { config } from '../config.js';
import { PeriodicTask } from '../database/periodic-task.js';
import { serviceUnavailable } from '../http/api-error.js';
import { connectionLimit } from '../http/connection-limits.js';
import { whenClosed } from '../http/when-closed.js';
import { FeedWakeUps } from './feed-wake-ups.js';
import { LiveRequest } from './live-request.js';

/** ms between two looks at the credentials. With the age of what is cached of them (4 s): within 5 s. */
const RENEWAL = 1_000;

/** Credentials that are looked at in one turn of the event loop: about 1 ms. */
const SLICE = 500;

/** The live requests of one credential: a tenth of all. */
const SHARE = 10;

/**
 * The requests that wait for changes: long polls and event streams. They are limited, lose their access when their
 * credential does, and are answered when the server stops.
 */
@Injectable()
export class LiveRequests implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(LiveRequests.name);
  private readonly requests = new Set<LiveRequest>();
  private readonly counts = new Map<string, number>();
  private readonly responses = new WeakSet<ServerResponse>();
  private isStopping = false;
  private readonly task = new PeriodicTask(
    'live_renewals',
    () => this.renewAll(),
    (error) => this.logger.error({ err: error }, 'credentials of live requests were not looked at'),
  );

  constructor(private readonly wakeUps: FeedWakeUps) {}

  onApplicationBootstrap(): void {
    this.task.start(RENEWAL);
  }

  /** Drain: every request is answered at once. */
  onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    for (const request of this.requests) request.end();
    return this.task.stop();
  }

  /** How many there are. */
  get size(): number {
    return this.requests.size;
  }

  /** Whether the duration of this request says how long it waited, not how long it took. */
  isLive(response: ServerResponse): boolean {
    return this.responses.has(response);
  }

  /**
   * A live request, from before its first read until its client has the answer or is gone.
   *
   * @throws ApiError 503 with Retry-After when there are LIVE_LIMIT in the process, or as many as half of its
   *   connections; or a tenth of that of the credential
   */
  open(caller: Caller, userId: number, { raw }: FastifyReply): LiveRequest {
    const name = caller.limitName;
    const count = this.counts.get(name) ?? 0;
    // DoS: each has a connection, which cannot be cut off to make room for another request.
    const limit = Math.min(config.LIVE_LIMIT, connectionLimit() / 2);
    if (this.requests.size >= limit || count >= limit / SHARE)
      throw serviceUnavailable('Too many requests are waiting for changes. Poll without wait.');
    const request = new LiveRequest(caller, userId);
    const leave = this.wakeUps.add(request);
    this.requests.add(request);
    this.responses.add(raw);
    this.counts.set(name, count + 1);
    if (this.isStopping) request.end();
    whenClosed(raw, () => {
      leave();
      request.end();
      this.requests.delete(request);
      const rest = this.counts.get(name)! - 1;
      if (rest > 0) this.counts.set(name, rest);
      else this.counts.delete(name);
    });
    return request;
  }

  private async renewAll(): Promise<void> {
    const requests = [...this.requests];
    for (let i = 0; i < requests.length; i += SLICE) {
      await Promise.all(requests.slice(i, i + SLICE).map((request) => renew(request)));
      await nextTurn();
    }
  }
}

async function renew(request: LiveRequest): Promise<void> {
  let caller: Caller | undefined;
  try {
    caller = await request.caller.renew();
  } catch {
    // The database is away: the next look says more.
    return;
  }
  if (caller?.has('sync:read')) request.caller = caller;
  else request.end(unauthenticated('The credential is expired, revoked or withdrawn.'));
}
