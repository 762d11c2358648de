import { expect } from '@jest/globals';
import { type Api, RECORDS } from './api.js';

export interface SyncItem {
  item_type: string;
  item_id: number;
  item_user_id: number;
  item_url: string;
  action: 'created' | 'updated' | 'deleted' | 'added' | 'removed';
  datetime: string;
  collection: { id: number; type: string; name: string; url: string } | null;
}

/**
 * A client as the documents describe it: it knows one URL, applies items in order and asks next what
 * `next_sync_url` says. It fails as soon as something comes twice, out of order, or in an impossible sequence.
 */
export class SyncClient {
  /** The items that exist, by id. */
  readonly items = new Map<number, SyncItem>();
  readonly received: SyncItem[] = [];
  private url: string;

  constructor(
    private api: Api,
    since = '1970-01-01T00:00:00Z',
    private readonly limit?: () => number,
  ) {
    this.url = `/api/v1/sync.json?since=${since}`;
  }

  /** Goes on at another server, or with another credential. */
  moveTo(api: Api): void {
    this.api = api;
  }

  /** One request. Returns the number of items that it brought. */
  async poll(): Promise<number> {
    const limit = this.limit ? `&limit=${this.limit()}` : '';
    const { status, body } = await this.api.get(this.url + limit);
    if (status !== 200) throw new Error(`sync answered ${status}: ${JSON.stringify(body)}`);
    for (const item of body.items as SyncItem[]) this.apply(item);
    if (body.meta.item_count !== body.items.length) throw new Error('item_count is wrong');
    this.url = body.meta.next_sync_url;
    return body.items.length;
  }

  /** Polls until a request brings nothing. */
  async catchUp(): Promise<this> {
    while ((await this.poll()) > 0);
    return this;
  }

  private apply(item: SyncItem): void {
    const last = this.received.at(-1);
    if (last && !(item.datetime > last.datetime))
      throw new Error(`${item.datetime} came after ${last.datetime}`);
    const isKnown = this.items.has(item.item_id);
    if (item.action === 'created' && isKnown) throw new Error(`item ${item.item_id} was created twice`);
    if (item.action !== 'created' && !isKnown)
      throw new Error(`item ${item.item_id} ${item.action} before created`);
    if (item.action === 'deleted') this.items.delete(item.item_id);
    else this.items.set(item.item_id, item);
    this.received.push(item);
  }
}

/** Every record of a developer as the server has it, by its item's `datetime` of last change. */
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

/** What a follower of a feed must have when it has caught up: the latest datetime of each record, oldest item first. */
export async function expectExactCopy(client: SyncClient, api: Api, developerId: string): Promise<void> {
  const truth = (await listAll(api, developerId)).map((record) => record.updatedAt);
  const copy = [...client.items.values()].sort((a, b) => a.item_id - b.item_id).map((item) => item.datetime);
  expect(copy).toEqual(truth);
}
