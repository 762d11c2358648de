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

/** The item types that the checker writes, by the asset name under which the feed filters them. */
export const ASSETS: Record<string, string> = {
  route: 'routes',
  trip: 'trips',
  feature_flag: 'feature_flags',
};

/** A change that is known to be in a feed: somebody has seen it there, or its write has been answered. */
export interface Fact {
  datetime: string;
  itemType: string;
  action: Item['action'];
  /** Unknown to the one who wrote. */
  item?: number;
}

/** Who has been told of a part of a feed. */
export interface Reader {
  readonly name: string;
  has(fact: Fact): boolean;
}

/** What is known to be in one developer's feed, whoever found out, and who should have been told of it. */
export class Feed {
  readonly readers: Reader[] = [];
  private readonly facts: Fact[] = [];

  constructor(
    readonly developer: string,
    /** The developer's integer id. */
    readonly id: number,
  ) {}

  /** Datetime of the latest change that is known. */
  get newest(): string {
    return this.facts.at(-1)?.datetime ?? '';
  }

  /** Facts after `since`, up to `until`. */
  between(since: string, until: string): Fact[] {
    return this.facts.slice(this.indexAfter(since), this.indexAfter(until));
  }

  /** @throws Violation when a reader is past this change without having been told, or the feed contradicts itself */
  learn(fact: Fact, source: string): void {
    const index = this.indexAfter(fact.datetime);
    const known = index > 0 ? this.facts[index - 1] : undefined;
    if (known?.datetime === fact.datetime) {
      if (known.action !== fact.action || (known.item ?? fact.item) !== (fact.item ?? known.item))
        this.fail('order', `two changes have one datetime: ${describe(known)} and ${describe(fact)}`, fact);
      known.item ??= fact.item;
      return;
    }
    this.facts.splice(index, 0, fact);
    for (const reader of this.readers) {
      if (!reader.has(fact))
        this.fail('lost', `${reader.name} was not told of ${describe(fact)}, seen by ${source}`, {
          ...fact,
          follower: reader.name,
        });
    }
  }

  fail(kind: ViolationKind, message: string, subject: Subject): never {
    throw new Violation(kind, `feed of ${this.developer}: ${message}`, {
      ...subject,
      developer: this.developer,
    });
  }

  private indexAfter(datetime: string): number {
    let [low, high] = [0, this.facts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.facts[middle].datetime > datetime) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export const describe = ({ action, itemType, item, datetime }: Fact) =>
  `"${action}" of ${itemType} ${item ?? '?'} at ${datetime}`;

export const factOf = (item: Item): Fact => ({
  datetime: item.datetime,
  itemType: item.item_type,
  action: item.action,
  item: item.item_id,
});

/**
 * A copy of a library, made of nothing but the items of its feed, in order. An item of one's own and a pin are two
 * stories, also where both are about one item.
 */
export class Copy {
  /** What there is, by story: the item of its latest change. */
  readonly alive = new Map<string, Item>();
  private readonly deleted = new Set<string>();

  constructor(private readonly feed: Feed) {}

  storyOf({ collection, item_user_id, item_id }: Item): string {
    return `${collection !== null || item_user_id !== this.feed.id ? 'pin' : 'own'} ${item_id}`;
  }

  /**
   * @param isPartial the feed may leave out how it came to this, as pages of a compact one do
   * @throws Violation for what cannot happen after what was told before
   */
  apply(item: Item, isPartial: boolean, follower: string): void {
    const story = this.storyOf(item);
    const { action } = item;
    const isBeginning = action === 'created' || action === 'added';
    const isEnd = action === 'deleted' || action === 'removed';
    const isOfCollection = action === 'added' || action === 'removed';
    const isPossible =
      isOfCollection === (item.collection !== null) &&
      (isOfCollection || action === 'updated' || item.item_user_id === this.feed.id) &&
      !this.deleted.has(story) &&
      (isPartial || isBeginning !== this.alive.has(story));
    if (!isPossible) {
      const before = this.alive.get(story);
      const past = before ? `"${before.action}" at ${before.datetime}` : 'nothing, or an end';
      this.feed.fail('order', `${describe(factOf(item))} cannot follow ${past}`, {
        item: item.item_id,
        datetime: item.datetime,
        follower,
      });
    }
    if (!isEnd) this.alive.set(story, item);
    else this.alive.delete(story);
    if (action === 'deleted') this.deleted.add(story);
  }

  /** Each story with the datetime of its latest change. */
  summary(): Map<string, string> {
    return new Map([...this.alive].map(([story, item]) => [story, item.datetime]));
  }
}

/** The first story in which two copies differ. */
export function difference(
  copy: Map<string, string>,
  truth: Map<string, string>,
): { story: string; has: string; should: string } | undefined {
  for (const story of new Set([...truth.keys(), ...copy.keys()])) {
    const [has, should] = [copy.get(story) ?? 'nothing', truth.get(story) ?? 'nothing'];
    if (has !== should) return { story, has, should };
  }
  return undefined;
}

export const itemOf = (story: string) => Number(story.split(' ')[1]);
