import { serviceUnavailable } from './api-error.js';

/** ms until a caller that waits for bytes gets 503. */
const MAX_WAIT = 3_000;

interface Waiter {
  owner: unknown;
  bytes: number;
  admit: () => void;
}

/**
 * Semaphore over bytes: what is in memory at a time, in all and for each caller. What does not fit waits for
 * up to 3 s, first come, first served. Head-of-line blocking: a caller whose share is used up does not hold up
 * the callers behind it.
 */
export class ByteBudget {
  private used = 0;
  private readonly usedBy = new Map<unknown, number>();
  private readonly waiting = new Set<Waiter>();

  /**
   * @param total bytes of all callers
   * @param share bytes of one caller; larger requests never fit
   */
  constructor(
    private readonly total: number,
    private readonly share: number,
  ) {}

  /**
   * @returns gives the bytes back; call it once
   * @throws ApiError 503 with Retry-After
   */
  async acquire(owner: unknown, bytes: number): Promise<() => void> {
    if (!this.fits(owner, bytes)) await this.wait(owner, bytes);
    else this.take(owner, bytes);
    return () => this.release(owner, bytes);
  }

  private fits(owner: unknown, bytes: number): boolean {
    return this.used + bytes <= this.total && (this.usedBy.get(owner) ?? 0) + bytes <= this.share;
  }

  private take(owner: unknown, bytes: number): void {
    this.used += bytes;
    this.usedBy.set(owner, (this.usedBy.get(owner) ?? 0) + bytes);
  }

  private release(owner: unknown, bytes: number): void {
    this.used -= bytes;
    const rest = this.usedBy.get(owner)! - bytes;
    if (rest > 0) this.usedBy.set(owner, rest);
    else this.usedBy.delete(owner);
    for (const waiter of this.waiting) if (this.fits(waiter.owner, waiter.bytes)) waiter.admit();
  }

  private wait(owner: unknown, bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.waiting.delete(waiter);
      };
      const waiter = {
        owner,
        bytes,
        admit: () => {
          end();
          this.take(owner, bytes);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        end();
        reject(serviceUnavailable('Too many bytes of requests are in memory.'));
      }, MAX_WAIT);
      this.waiting.add(waiter);
    });
  }
}
