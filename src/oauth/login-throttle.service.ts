import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashSecret } from '../clients/secrets.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { serviceUnavailable } from '../http/api-error.js';
import { delayOf } from './login-delay.js';
import { LoginOrigins, type Origin } from './login-origins.service.js';

/** Failed logins within WINDOW. From a network: then 429. With a device cookie: then it counts as none. */
const PER_NETWORK = 100;
const PER_DEVICE = 10;

/** Seconds, from the first attempt on. */
const WINDOW = 15 * 60;

/** Seconds that an attempt waits at most; an attempt that would have to wait longer gets 429. */
const MAX_WAIT = 20;

/** Attempts that wait in this process: each holds a connection and some 20 KB. */
const WAITING = 300;
const WAITING_PER_NETWORK = 20;

/** Atomic counter: returns the attempts of the current window, this one included. $1 key, $2 WINDOW */
const COUNT = `
  INSERT INTO login_attempts AS a (key, attempts, expires_at)
  VALUES ($1, 1, clock_timestamp() + make_interval(secs => $2))
  ON CONFLICT (key) DO UPDATE SET
    attempts = CASE WHEN a.expires_at > clock_timestamp() THEN a.attempts + 1 ELSE 1 END,
    expires_at = CASE WHEN a.expires_at > clock_timestamp() THEN a.expires_at ELSE excluded.expires_at END
  RETURNING attempts, ceil(extract(epoch FROM expires_at - clock_timestamp()))::int AS seconds`;

const UNCOUNT = 'UPDATE login_attempts SET attempts = attempts - 1 WHERE key = $1 AND attempts > 0';

/**
 * Compare-and-set: takes the next slot of a line, later than the last one by the delay. No row: the line is
 * full. $1 key, $2 delay, $3 MAX_WAIT, in seconds
 */
const TAKE_SLOT = `
  INSERT INTO login_attempts AS a (key, attempts, slot_at, expires_at)
  VALUES ($1, 0, clock_timestamp() + make_interval(secs => $2), clock_timestamp() + make_interval(secs => $3))
  ON CONFLICT (key) DO UPDATE SET
    slot_at = greatest(a.slot_at, clock_timestamp()) + make_interval(secs => $2),
    expires_at = greatest(a.expires_at, excluded.expires_at)
  WHERE greatest(a.slot_at, clock_timestamp()) + make_interval(secs => $2)
    <= clock_timestamp() + make_interval(secs => $3)
  RETURNING extract(epoch FROM slot_at - clock_timestamp())::float AS seconds`;

/** A login that is attempted. */
export interface LoginAttempt {
  /** Seconds after which to try again; 0: the password may be verified now. */
  retryAfter: number;
  /** From a device or network where the developer has logged in before. */
  isKnown: boolean;
  /** Keys of the counters that have counted it. */
  counted: Buffer[];
}

/**
 * Brute force: delays logins of an account under attack, and limits the failed ones from a network. It locks
 * no account, because an attacker could lock it for the developer.
 *
 * 1. A device of the developer is neither delayed nor limited by others.
 * 2. A network with too many failures gets 429, and counts against no account.
 * 3. Many failures of an account delay its next attempts, except from networks of the developer.
 * 4. Delayed attempts of one account from one network form a line: parallel ones wait for each other, in all
 *    processes. Lines of different networks are independent, or an attacker could make one that the developer
 *    never gets through.
 */
@Injectable()
export class LoginThrottleService implements OnModuleDestroy {
  /** Attempts that wait, by network; each can be aborted. */
  private readonly waiting = new Map<string, Set<AbortController>>();

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly origins: LoginOrigins,
  ) {}

  /** Shutdown: attempts that wait get 503. */
  onModuleDestroy(): void {
    for (const places of this.waiting.values()) for (const place of places) place.abort();
  }

  /**
   * Counts an attempt before it is made, so that parallel ones cannot exceed a limit, and waits for its turn.
   *
   * @param response if its connection is closed, the attempt ends
   * @throws ApiError 503 when too many attempts wait
   */
  async begin(account: string, origin: Origin, response: ServerResponse): Promise<LoginAttempt> {
    const { device, network } = origin;
    const place = new AbortController();
    response.once('close', () => place.abort());
    const { isDevice, isNetwork } = await this.origins.find(account, origin);
    if (isDevice) {
      const key = hashSecret(`device ${device!.toString('hex')}`);
      if ((await this.count(key)).attempts <= PER_DEVICE)
        return { retryAfter: 0, isKnown: true, counted: [key] };
    }
    if ((this.waiting.get(network)?.size ?? 0) >= WAITING_PER_NETWORK) return refuse(MAX_WAIT);
    this.enter(network, place);
    try {
      return await this.admit(account, network, isNetwork, place.signal);
    } finally {
      this.leave(network, place);
    }
  }

  /** A successful login takes its own attempt off the counters. */
  async succeed({ counted }: LoginAttempt): Promise<void> {
    for (const key of counted) await this.dataSource.execute(UNCOUNT, [key]);
  }

  private async admit(
    account: string,
    network: string,
    isKnown: boolean,
    signal: AbortSignal,
  ): Promise<LoginAttempt> {
    const networkKey = hashSecret(`network ${network}`);
    const { attempts, seconds } = await this.count(networkKey);
    if (attempts > PER_NETWORK) return refuse(Math.max(seconds, 1));
    const line = hashSecret(`account ${account} network ${network}`);
    const level = isKnown ? line : hashSecret(`account ${account}`);
    const delay = delayOf((await this.count(level)).attempts);
    if (delay > 0) {
      const [slot] = await this.dataSource.execute<{ seconds: number }>(TAKE_SLOT, [line, delay, MAX_WAIT]);
      if (!slot) {
        await this.dataSource.execute(UNCOUNT, [level]);
        return refuse(MAX_WAIT);
      }
      await sleep(slot.seconds * 1_000, undefined, { signal }).catch(() => {
        throw serviceUnavailable('Too many logins are waiting.');
      });
    }
    return { retryAfter: 0, isKnown, counted: [networkKey, level] };
  }

  /**
   * Bulkhead: bounds the attempts that wait. Eviction: at the limit, a new one takes the place of one of the
   * network with the most, which gets 503.
   */
  private enter(network: string, place: AbortController): void {
    const all = [...this.waiting];
    if (all.reduce((sum, [, places]) => sum + places.size, 0) >= WAITING) {
      const [largest, [first]] = all.reduce((a, b) => (b[1].size > a[1].size ? b : a));
      this.leave(largest, first);
      first.abort();
    }
    this.waiting.set(network, (this.waiting.get(network) ?? new Set()).add(place));
  }

  private leave(network: string, place: AbortController): void {
    const places = this.waiting.get(network);
    places?.delete(place);
    if (places?.size === 0) this.waiting.delete(network);
  }

  private async count(key: Buffer): Promise<{ attempts: number; seconds: number }> {
    const [row] = await this.dataSource.execute<{ attempts: number; seconds: number }>(COUNT, [key, WINDOW]);
    return row;
  }
}

const refuse = (retryAfter: number): LoginAttempt => ({ retryAfter, isKnown: false, counted: [] });
