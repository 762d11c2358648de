import type { Caller } from '../access/caller.js';
import type { FeedWaiter } from './feed-wake-ups.js';

/** A request that waits for changes of one feed. */
export class LiveRequest implements FeedWaiter {
  seen = -Infinity;
  /** The server stops, the client is gone, or the credential is no longer valid. */
  isEnded = false;
  private error?: Error;
  private isWoken = false;
  private resume?: () => void;

  /** @param caller is replaced as its credential is looked at again */
  constructor(
    public caller: Caller,
    readonly userId: number,
  ) {}

  wake(): void {
    this.isWoken = true;
    this.resume?.();
  }

  /** @param error for the client; undefined: it gets what there is */
  end(error?: Error): void {
    this.error ??= error;
    this.isEnded = true;
    this.resume?.();
  }

  /** Lost wake-up: call it before each read. A change after it ends the next `sleep` at once. */
  arm(): void {
    this.isWoken = false;
  }

  /**
   * Sleeps until the feed may have changed.
   *
   * @param duration in ms
   * @returns false if it has not: time is over, or the request has ended
   * @throws ApiError 401 if the credential is no longer valid
   */
  async sleep(duration: number): Promise<boolean> {
    if (!this.isWoken && !this.isEnded)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, duration);
        this.resume = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.resume = undefined;
    if (this.error) throw this.error;
    return this.isWoken && !this.isEnded;
  }
}
