import { LRUCache } from 'lru-cache';

/** How long something may be used after another process has changed it, in ms. The promise is 5 s. */
const MAX_AGE = 4_000;

/** What lru-cache says when it gives up a load. */
const ABORTED = /^(deleted|evicted|replaced)$/;

/**
 * What nearly every request needs of the database to know its caller, so that it costs no query of its own. Whoever
 * changes such a row calls `forget` once the change is committed: then it counts at once here, and within 5 s in other
 * processes.
 */
export class CredentialCache<Value extends object> {
  private readonly found: LRUCache<string, Value>;

  constructor(private readonly load: (name: string) => Promise<Value | undefined>) {
    this.found = new LRUCache({ max: 10_000, ttl: MAX_AGE, fetchMethod: (name) => this.load(name) });
  }

  async get(name: string): Promise<Value | undefined> {
    return this.found.get(name) ?? (await this.lookUp(name));
  }

  forget(name: string): void {
    this.found.delete(name);
  }

  private async lookUp(name: string): Promise<Value | undefined> {
    try {
      return await this.found.fetch(name);
    } catch (error) {
      // `forget` deletes the entry, a full cache evicts it; both abort a load, which may have read an old row.
      if (!ABORTED.test((error as Error).message)) throw error;
      return await this.load(name);
    }
  }
}
