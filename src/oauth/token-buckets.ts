import { LRUCache } from 'lru-cache';

interface Bucket {
  tokens: number;
  /** ms, monotonic. */
  filledAt: number;
}

/** Keys that are remembered. A forgotten one has a full bucket again. */
const MAX_KEYS = 100_000;

/** Token bucket for each key, in this process: a burst, and then a rate. */
export class TokenBuckets {
  private readonly buckets = new LRUCache<string, Bucket>({ max: MAX_KEYS });

  /**
   * @param burst tokens of a full bucket
   * @param rate tokens a second
   */
  constructor(
    private readonly burst: number,
    private readonly rate: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Takes a token. @returns seconds, rounded up, until there is one; 0: it is taken */
  take(key: string): number {
    const bucket = this.fill(key);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / this.rate);
    bucket.tokens--;
    return 0;
  }

  /** Puts back a token that was not needed. */
  putBack(key: string): void {
    const bucket = this.fill(key);
    bucket.tokens = Math.min(bucket.tokens + 1, this.burst);
  }

  private fill(key: string): Bucket {
    const now = this.now();
    const bucket = this.buckets.get(key) ?? { tokens: this.burst, filledAt: now };
    bucket.tokens = Math.min(bucket.tokens + ((now - bucket.filledAt) / 1_000) * this.rate, this.burst);
    bucket.filledAt = now;
    this.buckets.set(key, bucket);
    return bucket;
  }
}
