import { createHash } from 'node:crypto';
import type { Client, HttpResponse } from '../consistency/client.js';
import type { Random } from '../random.js';

interface Item {
  item_id: number;
  item_user_id: number;
  action: string;
  datetime: string;
  collection: object | null;
}

const BEGINNING = '/api/v1/sync.json?since=1970-01-01T00:00:00Z';

/** A guarantee that did not hold. */
export class Broken extends Error {}

/** How a follower asks. */
export interface Style {
  isCompact?: boolean;
  isPaged?: boolean;
  /** Pauses for longer than the retention. */
  isSlow?: boolean;
  /** Syncs only when a webhook says so. */
  isNotified?: boolean;
}

/** A client as docs/sync-feed.md describes it: a copy, a cursor, and a new copy after a 410. */
export class CopyKeeper {
  /** Tick of each own item, and of each pin, by item id. */
  own = new Map<number, string>();
  pinned = new Map<number, string>();
  /** There may be more: the last answer was not an idle one. */
  isBehind = true;
  resyncs = 0;
  digests = 0;
  private next: string;

  constructor(
    readonly name: string,
    readonly developerId: string,
    readonly style: Style,
    private readonly client: () => Client,
    private readonly random: Random,
    /** The integer of the developer: a restore may change it. */
    private readonly userId: () => number,
  ) {
    this.next = style.isCompact ? `${BEGINNING}&compact=true` : BEGINNING;
  }

  /** One request. @returns its status */
  async poll(): Promise<number> {
    const limit = this.style.isPaged ? `&limit=${this.random.integer(1, 20)}` : '';
    // A digest only where the copy is complete: not between the pages of a compact sync.
    const isChecked = this.random.chance(0.3);
    const link = `${this.next}${limit}${isChecked ? '&digest=true' : ''}`;
    this.isBehind = true;
    const response = await this.client().get(link);
    const { status, body } = response;
    if (status === 410) this.startAnew(response);
    if (status !== 200) return status;
    for (const item of body.items as Item[]) this.apply(item);
    this.next = body.meta.next_sync_url;
    if (body.meta.digest) this.verifyDigest(body.meta.digest, link);
    this.isBehind = body.items.length > 0;
    return status;
  }

  /** Builds the copy anew, from the link of the answer. */
  private startAnew({ body }: HttpResponse): void {
    if (!['cursor_lost', 'cursor_expired'].includes(body.code))
      throw new Broken(`410 ${JSON.stringify(body)}`);
    this.resyncs++;
    this.own = new Map();
    this.pinned = new Map();
    this.next = body.resync_url;
  }

  private apply({ item_id: id, item_user_id, action, datetime, collection }: Item): void {
    const isPin = collection !== null || item_user_id !== this.userId();
    const copy = isPin ? this.pinned : this.own;
    if (action === 'deleted' || action === 'removed') copy.delete(id);
    else copy.set(id, datetime);
  }

  private verifyDigest({ items, xor }: { items: number; xor: string }, link: string): void {
    this.digests++;
    const sum = Buffer.alloc(16);
    for (const [kind, copy] of [
      ['o', this.own],
      ['p', this.pinned],
    ] as const)
      for (const [id, datetime] of copy) {
        const hash = createHash('sha256')
          .update(`${id}:${kind}:${Date.parse(datetime)}`)
          .digest();
        for (let n = 0; n < 16; n++) sum[n] ^= hash[n];
      }
    const own = { items: this.own.size + this.pinned.size, xor: sum.toString('hex') };
    if (own.items !== items || own.xor !== xor)
      throw new Broken(
        `the copy of ${this.name} has digest ${JSON.stringify(own)}, the server ${JSON.stringify({ items, xor })} (${link})`,
      );
  }
}
