import { LRUCache } from 'lru-cache';
import { coalesce } from '../database/coalesce.js';
import type { Histories } from '../histories/histories.js';

/** Time to live of an entry, in ms. Documented: a change counts within 5 s in other processes. */
const MAX_AGE = 4_000;

/** Names of one statement. */
const MAX_NAMES = 1_000;

/** Messages of the errors with which lru-cache aborts a load. */
const ABORTED = /^(deleted|evicted|replaced)$/;

/**
 * Read-through cache of rows that nearly every request needs for authentication. Code that changes such a row
 * calls `forget` after the commit: the change counts at once in this process, within 5 s in others.
 */
export class CredentialCache<Value extends object> {
  private readonly found: LRUCache<string, Value>;
  private readonly rows: { load: (name: string) => Promise<Value | undefined> };

  /** @param loadAll the rows with these names, in their order; undefined: there is none */
  constructor(histories: Histories, loadAll: (names: readonly string[]) => Promise<(Value | undefined)[]>) {
    histories.onForget(() => this.found.clear());
    this.rows = coalesce(loadAll, MAX_NAMES);
    this.found = new LRUCache({ max: 20_000, ttl: MAX_AGE, fetchMethod: (name) => this.rows.load(name) });
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
      // Aborted by `forget` or by eviction: the load may have read an old row.
      if (!ABORTED.test((error as Error).message)) throw error;
      return await this.rows.load(name);
    }
  }
}
