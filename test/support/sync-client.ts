import { expect } from '@jest/globals';
import type { Item } from '../../tools/consistency/feed.js';
import { type Api, RECORDS } from './api.js';
import type { Copy, Digest } from './digest.js';

export interface SyncItem extends Item {
  collection: { id: number; type: string; name: string; url: string } | null;
}

/**
 * A client as docs/sync-feed.md describes it: it starts with one URL, applies items in order and follows
 * `next_sync_url`. It throws as soon as a change arrives twice, out of order, or in an impossible sequence.
 */
export class SyncClient {
  /** The developer's existing own items, by id. */
  readonly items = new Map<number, SyncItem>();
  /** The items in the developer's collection, own and shared ones, by id. */
  readonly pinned = new Map<number, SyncItem>();
  readonly received: SyncItem[] = [];
  meta?: { rwgps_datetime: string; has_more?: boolean; digest?: Digest };
  private url: string;

  constructor(
    private api: Api,
    since = '1970-01-01T00:00:00Z',
    private readonly limit?: () => number,
    /** Only for pages of a compact feed, whose `updated` may be the first change of an item. */
    private readonly userId?: number,
  ) {
    this.url = `/api/v1/sync.json?since=${since}`;
  }

  /** Continues with another server or credential. */
  moveTo(api: Api): void {
    this.api = api;
  }

  /** The persistent state of a client: its copy and its cursor. */
  save() {
    return { url: this.url, items: [...this.items], pinned: [...this.pinned], received: [...this.received] };
  }

  /** Restarts from a saved state. */
  restore(saved: ReturnType<SyncClient['save']>): void {
    this.url = saved.url;
    for (const [map, entries] of [
      [this.items, saved.items],
      [this.pinned, saved.pinned],
    ] as const) {
      map.clear();
      for (const [id, item] of entries) map.set(id, item);
    }
    this.received.splice(0, Infinity, ...saved.received);
  }

  /** Sends one sync request. Returns the number of items in the response. */
  async poll({ digest = false } = {}): Promise<number> {
    const limit = this.limit ? `&limit=${this.limit()}` : '';
    const { status, body } = await this.api.get(this.url + limit + (digest ? '&digest=true' : ''));
    if (status !== 200) throw new Error(`sync responded ${status}: ${JSON.stringify(body)}`);
    for (const item of body.items as SyncItem[]) this.apply(item);
    if (body.meta.item_count !== body.items.length) throw new Error('item_count is wrong');
    this.meta = body.meta;
    this.url = body.meta.next_sync_url;
    return body.items.length;
  }

  /** The copy as the code of docs/sync-feed.md expects it. */
  copy(): Copy {
    const ids = new Set([...this.items.keys(), ...this.pinned.keys()]);
    const entry = (id: number) => ({
      own: this.items.get(id)?.datetime,
      pinned: this.pinned.get(id)?.datetime,
    });
    return new Map([...ids].map((id) => [id, entry(id)]));
  }

  /** Polls until a response has no items. */
  async catchUp(): Promise<this> {
    while ((await this.poll()) > 0);
    return this;
  }

  private apply(item: SyncItem): void {
    const last = this.received.at(-1);
    if (last && !(item.datetime > last.datetime))
      throw new Error(`${item.datetime} came after ${last.datetime}`);
    this.received.push(item);
    const { item_id: id, action } = item;
    const assert = (holds: boolean) => {
      if (!holds && this.userId === undefined)
        throw new Error(`impossible: ${JSON.stringify(this.received.filter((i) => i.item_id === id))}`);
    };
    assert((item.collection !== null) === (action === 'added' || action === 'removed'));
    if (action === 'created' || action === 'added') {
      const copy = action === 'created' ? this.items : this.pinned;
      assert(!copy.has(id));
      copy.set(id, item);
    } else if (action === 'updated') {
      assert(this.items.has(id) || this.pinned.has(id));
      // An own item has no changes of its pin but `added` and `removed`.
      const isOwn = this.userId === undefined ? this.items.has(id) : item.item_user_id === this.userId;
      (isOwn ? this.items : this.pinned).set(id, item);
    } else {
      const copy = action === 'deleted' ? this.items : this.pinned;
      assert(copy.delete(id));
    }
  }
}

/** Lists all records of a developer, in the order of the list route. */
export async function listAll(api: Api, developerId: string): Promise<{ id: string; updatedAt: string }[]> {
  const records = [];
  for (let page = 1; ; page++) {
    const { body } = await api.get(
      `${RECORDS}?${new URLSearchParams({ developerId, limit: '100', page: `${page}` })}`,
    );
    records.push(...body.data);
    if (records.length >= body.total) return records;
  }
}

/** Expects that a client which has caught up has every own item, with the datetime of its latest change. */
export async function expectExactCopy(client: SyncClient, api: Api, developerId: string): Promise<void> {
  const truth = (await listAll(api, developerId)).map((record) => record.updatedAt);
  const copy = [...client.items.values()].sort((a, b) => a.item_id - b.item_id).map((item) => item.datetime);
  expect(copy).toEqual(truth);
}
