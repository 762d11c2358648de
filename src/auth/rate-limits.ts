import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { LRUCache } from 'lru-cache';
import { hashSecret } from '../clients/secrets.js';
import { config } from '../config.js';
import { PeriodicTask } from '../database/periodic-task.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { tooManyRequests } from '../http/api-error.js';
import { networkOf } from '../http/network.js';
import { rateLimited } from '../signals/signals.js';

/** Fixed windows of one minute, in ms. They begin with the minutes of the wall clock, in every process. */
const WINDOW = 60_000;

/** ms between two exchanges with the other processes. */
const EXCHANGE = 1_000;

/** Part of the limit that a process has to see of a credential before it tells the others. */
const SHARED_FROM = 0.1;

/** $1 hashes of credentials, in order: two processes must not lock them crosswise. $2 window, $3 new requests */
const ADD = `
  INSERT INTO rate_counts AS r (window_start, key, requests)
  SELECT $2, key, requests FROM unnest($1::bytea[], $3::int[]) AS new (key, requests) ORDER BY key
  ON CONFLICT (window_start, key) DO UPDATE SET requests = r.requests + excluded.requests
  RETURNING key, requests::float8 AS requests`;

const REMOVE_OLD = `DELETE FROM rate_counts WHERE window_start < $1`;

interface Count {
  /** Requests to this process that the others do not know. */
  own: number;
  /** Requests to all processes, as of the last exchange. */
  shared: number;
}

/**
 * Rate limits: requests of a credential (RATE_LIMIT), and refused credentials of a network (REFUSAL_LIMIT), in
 * fixed windows of one minute.
 *
 * All processes share the first. It is exact up to what a process sees within a second and, of each credential,
 * up to a tenth of the limit, which it does not tell the others: so an honest credential costs no write.
 *
 * The second is of each process.
 */
@Injectable()
export class RateLimits implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(RateLimits.name);
  private window = 0;
  private requests = new Map<string, Count>();
  private refusals = new Map<string, number>();
  /** Credentials that were good in the last hour: a network over its limit does not lose them. */
  private readonly accepted = new LRUCache<string, true>({ max: 100_000, ttl: 3_600_000 });
  private readonly task = new PeriodicTask(
    'rate_counts',
    () => this.exchange(),
    (error) => this.logger.warn({ err: error }, 'request counts were not exchanged'),
  );

  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  onApplicationBootstrap(): void {
    // The embedded database has one process.
    if (config.RATE_LIMIT > 0 && config.DATABASE_URL !== undefined) this.task.start(EXCHANGE);
  }

  onModuleDestroy(): Promise<void> {
    return this.task.stop();
  }

  /**
   * Counts a request of a valid credential.
   *
   * @param name of the credential
   * @returns headers of the answer (draft-ietf-httpapi-ratelimit-headers-10)
   * @throws ApiError 429
   */
  count(name: string): Record<string, string> {
    const limit = config.RATE_LIMIT;
    if (limit === 0) return {};
    const seconds = this.secondsLeft();
    let count = this.requests.get(name);
    if (!count) this.requests.set(name, (count = { own: 0, shared: 0 }));
    const remaining = limit - ++count.own - count.shared;
    const headers = {
      'RateLimit-Policy': `"credential";q=${limit};w=${WINDOW / 1_000}`,
      RateLimit: `"credential";r=${Math.max(remaining, 0)};t=${seconds}`,
    };
    if (remaining >= 0) return headers;
    rateLimited.publish({ limit: 'credential' });
    throw tooManyRequests(`This credential may make ${limit} requests a minute.`, seconds, headers);
  }

  /**
   * Refuses credentials of a network that has presented too many wrong ones, before they are looked up.
   *
   * @param address of the client
   * @throws ApiError 429
   */
  assertMayTry(address: string, credential: string): void {
    if (config.REFUSAL_LIMIT === 0 || this.refusals.size === 0) return;
    const seconds = this.secondsLeft();
    if ((this.refusals.get(networkOf(address)) ?? 0) < config.REFUSAL_LIMIT) return;
    if (this.accepted.has(nameOf(credential))) return;
    rateLimited.publish({ limit: 'network' });
    throw tooManyRequests('Too many credentials of this address were refused.', seconds);
  }

  /** Counts a refused credential. @param address of the client */
  refused(address: string): void {
    this.secondsLeft();
    const network = networkOf(address);
    this.refusals.set(network, (this.refusals.get(network) ?? 0) + 1);
  }

  accept(credential: string): void {
    const name = nameOf(credential);
    if (!this.accepted.has(name)) this.accepted.set(name, true);
  }

  /** Begins a new window, if it is time. @returns seconds until the next one, 1 to 60 */
  private secondsLeft(): number {
    const now = Date.now();
    const window = now - (now % WINDOW);
    if (window !== this.window) {
      this.window = window;
      this.requests = new Map();
      this.refusals = new Map();
    }
    return Math.max(1, Math.ceil((window + WINDOW - now) / 1_000));
  }

  /** Adds the own requests of this window to those of the other processes, and learns the sums. */
  private async exchange(): Promise<void> {
    const { window, requests } = this;
    /** By the hex of the hash. Requests that come while `added` is sent are still own ones. */
    const busy = new Map<string, { count: Count; added: number }>();
    for (const [name, count] of requests)
      if (count.own > 0 && count.own + count.shared >= config.RATE_LIMIT * SHARED_FROM)
        busy.set(hashSecret(name).toString('hex'), { count, added: count.own });
    if (busy.size === 0) return;
    const sums = await this.dataSource.execute<{ key: Buffer; requests: number }>(ADD, [
      [...busy.keys()].map((hex) => Buffer.from(hex, 'hex')),
      new Date(window),
      [...busy.values()].map(({ added }) => added),
    ]);
    for (const { key, requests: shared } of sums) {
      const { count, added } = busy.get(key.toString('hex'))!;
      count.own -= added;
      count.shared = shared;
    }
    await this.dataSource.execute(REMOVE_OLD, [new Date(window - WINDOW)]);
  }
}

const nameOf = (credential: string) => hashSecret(credential).toString('base64');
