import { admissionRefused } from '../signals/signals.js';
import { serviceUnavailable } from './api-error.js';

interface Waiter {
  weight: number;
  admit: () => void;
}

interface FairLimitOptions {
  /** For metrics. Unique in the process. */
  name: string;
  /** Sum of the weights of all callers. */
  total: number;
  /** Sum of the weights of one caller. What weighs more takes all of it, alone. */
  share: number;
  /** ms until a caller that waits gets 503. */
  maxWait: number;
  /** Details of that 503. */
  problem: string;
}

/** A place within a limit. */
export interface Reservation {
  /** Changes its weight. A larger one waits like a new request. @throws ApiError 503; it then weighs nothing */
  resize: (weight: number) => Promise<void>;
  /** Gives it back. A second call does nothing. */
  release: () => void;
}

/**
 * Weighted semaphore, in all and for each caller: requests at the database, bytes in memory, open streams. What
 * does not fit waits in the queue of its caller.
 *
 * Fair queuing: the queues of the callers take turns, so that a caller with a thousand requests holds up one
 * with a single request by its share at most.
 */
export class FairLimit {
  /** All limits of the process, by name. */
  static readonly all = new Map<string, FairLimit>();

  private used = 0;
  private readonly usedBy = new Map<unknown, number>();
  /** Callers in the order of their turns. None is empty. */
  private readonly queues = new Map<unknown, Set<Waiter>>();

  constructor(private readonly options: Readonly<FairLimitOptions>) {
    FairLimit.all.set(options.name, this);
  }

  /** Sum of the weights that are admitted, and number of those that wait. */
  get load(): { used: number; waiting: number } {
    let waiting = 0;
    for (const queue of this.queues.values()) waiting += queue.size;
    return { used: this.used, waiting };
  }

  /** Runs work as soon as it fits. @throws ApiError 503 with Retry-After */
  async run<T>(owner: unknown, work: () => Promise<T>, weight = 1): Promise<T> {
    const reservation = await this.acquire(owner, weight);
    try {
      return await work();
    } finally {
      reservation.release();
    }
  }

  /** @param owner the caller: compared with `===` @throws ApiError 503 with Retry-After */
  async acquire(owner: unknown, weight = 1): Promise<Reservation> {
    let held = await this.enter(owner, weight);
    let isReleased = false;
    const leave = () => {
      if (held > 0) this.give(owner, held);
      held = 0;
    };
    return {
      resize: async (wanted) => {
        if (isReleased) return;
        if (wanted <= held) {
          if (wanted < held) this.give(owner, held - wanted);
          held = wanted;
          return;
        }
        leave();
        held = await this.enter(owner, wanted);
        // The client may have gone while this waited.
        if (isReleased) leave();
      },
      release: () => {
        isReleased = true;
        leave();
      },
    };
  }

  /** @returns the weight that is taken */
  private async enter(owner: unknown, wanted: number): Promise<number> {
    const weight = Math.min(wanted, this.options.share);
    if (!this.queues.has(owner) && this.fits(owner, weight)) this.take(owner, weight);
    else await this.wait(owner, weight);
    return weight;
  }

  private fits(owner: unknown, weight: number): boolean {
    const { total, share } = this.options;
    return this.used + weight <= total && (this.usedBy.get(owner) ?? 0) + weight <= share;
  }

  private take(owner: unknown, weight: number): void {
    this.used += weight;
    this.usedBy.set(owner, (this.usedBy.get(owner) ?? 0) + weight);
  }

  private give(owner: unknown, weight: number): void {
    this.used -= weight;
    const rest = this.usedBy.get(owner)! - weight;
    if (rest > 0) this.usedBy.set(owner, rest);
    else this.usedBy.delete(owner);
    this.admitNext();
  }

  /** Rounds: the first waiter of each caller, if it fits. A caller that got its turn goes to the end. */
  private admitNext(): void {
    let hasAdmitted: boolean;
    do {
      hasAdmitted = false;
      for (const [owner, queue] of [...this.queues]) {
        if (this.used >= this.options.total) return;
        const [first] = queue;
        if (!this.fits(owner, first.weight)) continue;
        this.take(owner, first.weight);
        first.admit();
        hasAdmitted = true;
        if (this.queues.delete(owner)) this.queues.set(owner, queue);
      }
    } while (hasAdmitted);
  }

  private wait(owner: unknown, weight: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = this.queues.get(owner) ?? new Set();
      this.queues.set(owner, queue);
      const leave = () => {
        clearTimeout(timer);
        queue.delete(waiter);
        if (queue.size === 0) this.queues.delete(owner);
      };
      const waiter = {
        weight,
        admit: () => {
          leave();
          resolve();
        },
      };
      const timer = setTimeout(() => {
        leave();
        admissionRefused.publish({ limit: this.options.name });
        reject(serviceUnavailable(this.options.problem));
        // What waited behind it may fit.
        this.admitNext();
      }, this.options.maxWait);
      queue.add(waiter);
    });
  }
}
