import { serviceUnavailable } from '../http/api-error.js';

/**
 * Semaphore: how many of a kind of work run at a time. The rest wait, first come, first served; urgent work
 * goes before all other. More work that is not urgent than `limit` gets 503.
 */
export class Turns {
  private running = 0;
  private readonly urgent: (() => void)[] = [];
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly atOnce: number,
    private readonly limit: number,
  ) {}

  /** @throws ApiError 503 with Retry-After */
  async run<T>(isUrgent: boolean, work: () => Promise<T>): Promise<T> {
    if (this.running >= this.atOnce) await this.wait(isUrgent ? this.urgent : this.waiting);
    else this.running++;
    try {
      return await work();
    } finally {
      // The place goes to the next one, so that no newcomer takes it meanwhile.
      const next = this.urgent.shift() ?? this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }

  private wait(queue: (() => void)[]): Promise<void> {
    if (queue === this.waiting && queue.length >= this.limit)
      throw serviceUnavailable('Too many passwords are being verified.');
    return new Promise((resolve) => queue.push(resolve));
  }
}
