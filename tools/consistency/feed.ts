import { type Subject, Violation, type ViolationKind } from './history.js';

export interface Item {
  item_type: string;
  item_id: number;
  item_user_id: number;
  item_url: string;
  action: 'created' | 'updated' | 'deleted' | 'added' | 'removed';
  datetime: string;
  collection: { id: number } | null;
}

/** The item types that the checker writes, with their asset names, which the feed uses as filter. */
export const ASSETS: Record<string, string> = {
  route: 'routes',
  trip: 'trips',
  feature_flag: 'feature_flags',
};

/** A change that is certainly in a feed: a reader has received it, or its write was acknowledged. */
export interface KnownChange {
  datetime: string;
  itemType: string;
  action: Item['action'];
  /** Item id; undefined if only the writer has reported the change, who does not know the id. */
  item?: number;
}

/** A client that has received a part of a feed. */
export interface FeedReader {
  readonly name: string;
  /**
   * False if the change lies in the range that this reader has received, but the reader did not receive it.
   */
  hasReceived(change: KnownChange): boolean;
}

/** All known changes of one developer's feed, and the readers that must have received them. */
export class Feed {
  readonly readers: FeedReader[] = [];
  /** In order of their datetimes. */
  private readonly changes: KnownChange[] = [];

  constructor(
    readonly developerId: string,
    readonly userId: number,
  ) {}

  /** Datetime of the latest known change. */
  get latestDatetime(): string {
    return this.changes.at(-1)?.datetime ?? '';
  }

  /** Known changes after `since`, up to and including `until`. */
  between(since: string, until: string): KnownChange[] {
    return this.changes.slice(this.indexAfter(since), this.indexAfter(until));
  }

  /**
   * Adds a change and compares it with all that is known.
   *
   * @throws Violation if a reader is past this change without having received it, or if the feed contradicts
   * itself
   */
  add(change: KnownChange, source: string): void {
    const index = this.indexAfter(change.datetime);
    const known = index > 0 ? this.changes[index - 1] : undefined;
    if (known?.datetime === change.datetime) {
      if (known.action !== change.action || (known.item ?? change.item) !== (change.item ?? known.item))
        this.fail(
          'order',
          `two changes have one datetime: ${formatChange(known)} and ${formatChange(change)}`,
          change,
        );
      known.item ??= change.item;
      return;
    }
    this.changes.splice(index, 0, change);
    for (const reader of this.readers) {
      if (!reader.hasReceived(change))
        this.fail('lost', `${reader.name} did not receive ${formatChange(change)}, known from ${source}`, {
          ...change,
          follower: reader.name,
        });
    }
  }

  fail(kind: ViolationKind, message: string, subject: Subject): never {
    throw new Violation(kind, `feed of ${this.developerId}: ${message}`, {
      ...subject,
      developerId: this.developerId,
    });
  }

  /** Binary search: index of the first change after this datetime. */
  private indexAfter(datetime: string): number {
    let [low, high] = [0, this.changes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.changes[middle].datetime > datetime) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export const formatChange = ({ action, itemType, item, datetime }: KnownChange) =>
  `"${action}" of ${itemType} ${item ?? '?'} at ${datetime}`;

export const changeOf = (item: Item): KnownChange => ({
  datetime: item.datetime,
  itemType: item.item_type,
  action: item.action,
  item: item.item_id,
});

/**
 * A copy of a library, built from nothing but the items of its feed, in order. An own item and a pin are
 * separate entries, also if both are about one item: their keys are `own <item id>` and `pin <item id>`.
 */
export class Copy {
  /** The existing entries: by key, the item of the latest change. */
  readonly entries = new Map<string, Item>();
  private readonly deleted = new Set<string>();

  constructor(private readonly feed: Feed) {}

  keyOf({ collection, item_user_id, item_id }: Item): string {
    return `${collection !== null || item_user_id !== this.feed.userId ? 'pin' : 'own'} ${item_id}`;
  }

  /**
   * @param isPartial the feed may omit earlier changes of the entry, as the pages of a compact feed do
   * @throws Violation for an action that is impossible after the earlier ones
   */
  apply(item: Item, isPartial: boolean, follower: string): void {
    const key = this.keyOf(item);
    const { action } = item;
    const isBeginning = action === 'created' || action === 'added';
    const isTombstone = action === 'deleted' || action === 'removed';
    const isOfCollection = action === 'added' || action === 'removed';
    const isPossible =
      isOfCollection === (item.collection !== null) &&
      (isOfCollection || action === 'updated' || item.item_user_id === this.feed.userId) &&
      !this.deleted.has(key) &&
      (isPartial || isBeginning !== this.entries.has(key));
    if (!isPossible) {
      const before = this.entries.get(key);
      const past = before ? `"${before.action}" at ${before.datetime}` : 'no change, or a tombstone';
      this.feed.fail('order', `${formatChange(changeOf(item))} cannot follow ${past}`, {
        item: item.item_id,
        datetime: item.datetime,
        follower,
      });
    }
    if (!isTombstone) this.entries.set(key, item);
    else this.entries.delete(key);
    if (action === 'deleted') this.deleted.add(key);
  }

  /** By key, the datetime of the latest change. */
  summary(): Map<string, string> {
    return new Map([...this.entries].map(([key, item]) => [key, item.datetime]));
  }
}

/** The first key for which two maps differ; a missing value is `nothing`. */
export function difference(
  actualValues: Map<string, string>,
  expectedValues: Map<string, string>,
): { key: string; actual: string; expected: string } | undefined {
  for (const key of new Set([...expectedValues.keys(), ...actualValues.keys()])) {
    const [actual, expected] = [actualValues.get(key) ?? 'nothing', expectedValues.get(key) ?? 'nothing'];
    if (actual !== expected) return { key, actual, expected };
  }
  return undefined;
}

/** The item id in the key of an entry. */
export const itemIdOf = (key: string) => Number(key.split(' ')[1]);
