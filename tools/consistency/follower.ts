import { type Answer, type Client, normalized } from './client.js';
import { ASSETS, Copy, describe, type Fact, type Feed, factOf, type Item, type Reader } from './feed.js';
import type { Entry, Subject } from './history.js';
import type { Model } from './model.js';
import type { Random } from '../random.js';
import type { Statistics } from './statistics.js';

/** How a client follows its feed. */
interface Style {
  /** The cursor as the client keeps it, from `rwgps_datetime`; left out: it follows `next_sync_url`. */
  cursor?: (datetime: string) => string;
  /** Asks for pages of random size. */
  isPaging?: boolean;
  /** Follows only some types. */
  isFiltering?: boolean;
  /** Goes away in the middle of an answer, and comes back. */
  isDropping?: boolean;
  /** Asks for each page twice. */
  isRepeating?: boolean;
  /** Sends the ETag of the answer before when it asks for the same again. */
  isConditional?: boolean;
  /** Starts with the library as it is, and not with its history. */
  isCompact?: boolean;
  /** Fetches the content of what has changed, at once. */
  isFetching?: boolean;
}

const asIs = (datetime: string) => datetime;

export const STYLES: Record<string, Style> = {
  next_sync_url: { isFetching: true },
  rwgps_datetime: { cursor: asIs },
  'JavaScript Date': { cursor: (datetime) => new Date(datetime).toISOString() },
  pages: { isPaging: true, isFetching: true },
  'asset filter': { isFiltering: true },
  'dropped connections': { cursor: asIs, isDropping: true },
  'page retries': { isPaging: true, isRepeating: true },
  'If-None-Match': { isConditional: true },
  'compact start': { isCompact: true },
  'compact start in pages': { isCompact: true, isPaging: true, cursor: asIs },
};

/** Before every change. */
const BEGINNING = '1970-01-01T00:00:00.000Z';

/** What the page of an item said. */
export interface Page {
  record_id: string;
  updated_at: string;
  data: unknown;
  status: string;
  metadata: unknown;
}

/** A client that keeps a copy of a library, and trusts nothing that it is told. */
export class Follower implements Reader {
  readonly name: string;
  readonly style: Style;
  copy: Copy;
  /** Content of the items of the copy, for those that fetch it. */
  readonly contents = new Map<number, Page>();
  /** Copies that compact answers made, to be compared when the whole feed is known. */
  readonly snapshots: { until: string; copy: Map<string, string>; follower: string }[] = [];
  /** Up to here the feed has been told, not counting what a compact answer left out. */
  until = BEGINNING;
  /** Nothing was new when this follower asked last. */
  private isIdle = false;
  private from = BEGINNING;
  private readonly received = new Set<string>();
  private readonly unfetched = new Set<number>();
  private readonly assets: string[] | undefined;
  private isStarting: boolean;
  /** Where to go on: a cursor, or a link. */
  private next: string;
  private last?: { path: string; etag: string };

  constructor(
    readonly styleName: string,
    readonly feed: Feed,
    private readonly client: Client,
    private readonly model: Model,
    private readonly random: Random,
    private readonly statistics: Statistics,
  ) {
    this.name = `${feed.developer} ${styleName}`;
    this.style = STYLES[styleName];
    const assets = Object.values(ASSETS);
    if (this.style.isFiltering)
      this.assets = random.shuffled(assets).slice(0, random.integer(1, assets.length - 1));
    this.startOver();
    feed.readers.push(this);
  }

  /** Forgets everything, as a client does that was installed again. */
  startOver(): void {
    this.copy = new Copy(this.feed);
    this.until = this.from = BEGINNING;
    this.received.clear();
    this.unfetched.clear();
    this.contents.clear();
    this.isStarting = this.style.isCompact === true;
    this.last = undefined;
    const query = new URLSearchParams({
      since: BEGINNING,
      ...(this.isStarting && { compact: 'true' }),
      ...(this.assets && { assets: this.assets.join() }),
    });
    this.next = this.style.cursor ? BEGINNING : `/api/v1/sync.json?${query}`;
  }

  /** Has this follower been told, or need not be? */
  has({ datetime, itemType }: Fact): boolean {
    const isCovered = !this.isStarting && this.from < datetime && datetime <= this.until;
    return !isCovered || !this.wants(itemType) || this.received.has(datetime);
  }

  wants(itemType: string): boolean {
    return this.assets === undefined || this.assets.includes(ASSETS[itemType]);
  }

  /** One request, and what follows from it. */
  async poll(): Promise<void> {
    const { random, style } = this;
    if (random.chance(style.isCompact ? 0.04 : 0.005)) this.startOver();
    const path = this.path();
    const [first, isRepeated] = [await this.ask(path), style.isRepeating && random.chance(0.5)];
    const second = isRepeated && first ? await this.ask(path) : undefined;
    if (first && second) this.expectSame(first, second);
    const answer = second ?? first;
    this.isIdle = answer !== undefined && this.take(answer);
    if (style.isFetching) await this.fetchContents();
  }

  /** In ms, until it polls again. */
  pause(): number {
    return this.random.integer(0, this.isIdle ? 100 : 20);
  }

  /** Has it all that there was when it asked last? */
  get isCaughtUp(): boolean {
    return this.isIdle && (!this.style.isFetching || this.unfetched.size === 0);
  }

  private path(): string {
    const limit = this.style.isPaging ? `&limit=${this.random.integer(1, this.isStarting ? 40 : 8)}` : '';
    if (!this.style.cursor) return this.next + limit;
    const query = new URLSearchParams({ since: this.next, ...(this.isStarting && { compact: 'true' }) });
    return `/api/v1/sync.json?${query}${limit}`;
  }

  private async ask(path: string): Promise<Received | undefined> {
    const { random, style } = this;
    const entry = this.model.history.begin({
      actor: `follower ${this.styleName}`,
      developer: this.feed.developer,
      follower: this.name,
      text: `sync ${path.slice(path.indexOf('?'))}`,
    });
    const newest = this.feed.newest;
    const headers =
      style.isConditional && this.last?.path === path ? { 'if-none-match': this.last.etag } : undefined;
    const dropAfter = style.isDropping && random.chance(0.3) ? random.integer(1, 12) : undefined;
    const answer = await this.client.get(path, { headers, dropAfter });
    const { status } = answer;
    this.statistics.countStatus(status);
    const isAnswered = status === 200 || status === 304;
    this.statistics.countPoll(this.styleName, { polls: 1, retries: isAnswered ? 0 : 1 });
    if (status === 304) this.expectFresh(this.until, newest, {});
    if (status > 0 && status < 500 && !isAnswered)
      this.fail('answer', `${path} answered ${status}: ${JSON.stringify(answer.body)}`, {});
    if (status !== 200) {
      if (status === 304) this.model.history.forget(entry);
      else this.model.history.end(entry, status > 0 ? String(status) : 'no answer');
      return status === 304
        ? { entry, items: [], until: this.until, hasMore: false, next: this.next }
        : undefined;
    }
    return this.read(path, entry, answer, newest);
  }

  /** Checks an answer by itself. */
  private read(path: string, entry: Entry, { body, headers }: Answer, newest: string): Received {
    const items = body.items as Item[];
    const { meta } = body;
    const until = normalized(meta.rwgps_datetime);
    const hasMore = meta.has_more === true;
    this.model.history.end(entry, `${items.length} items up to ${until}${hasMore ? ', more' : ''}`, {
      range: { since: this.until, until },
      datetimes: items.map(({ datetime }) => datetime),
      items: items.map(({ item_id }) => item_id),
    });
    this.last = { path, etag: headers.get('etag') ?? '' };
    const fail = (message: string) => this.fail('answer', `${path}: ${message}`, {});
    if (meta.item_count !== items.length)
      fail(`item_count is ${meta.item_count}, there are ${items.length} items`);
    if (normalized(meta.date_range.until) !== until) fail('date_range.until is not rwgps_datetime');
    if (normalized(meta.date_range.since) !== this.until) fail(`date_range.since is not ${this.until}`);
    if (until < this.until) this.fail('cursor', `went back from ${this.until} to ${until}`, {});
    let last = this.until;
    for (const item of items) {
      const subject = { item: item.item_id, datetime: item.datetime };
      if (!this.wants(item.item_type))
        this.fail('answer', `got ${describe(factOf(item))}, which it did not ask for`, subject);
      if (item.datetime <= this.until)
        this.fail(
          'delivered-twice',
          `got ${describe(factOf(item))} when it asked for what came after ${this.until}`,
          subject,
        );
      if (item.datetime <= last)
        this.fail('order', `got ${describe(factOf(item))} after one at ${last}`, subject);
      last = item.datetime;
    }
    if (until < last) this.fail('cursor', `${until} is before the last item, at ${last}`, { datetime: last });
    if (!hasMore) this.expectFresh(until, newest, { datetime: newest });
    return {
      entry,
      items,
      until,
      hasMore,
      next: this.style.cursor ? this.style.cursor(meta.rwgps_datetime) : meta.next_sync_url,
    };
  }

  /** Applies an answer. Returns whether it brought nothing. */
  private take({ entry, items, until, hasMore, next }: Received): boolean {
    const isIdle = items.length === 0 && !hasMore;
    this.statistics.countPoll(this.styleName, { items: items.length });
    if (isIdle && until === this.until) this.model.history.forget(entry);
    const since = this.until;
    for (const item of items) {
      this.copy.apply(item, this.isStarting, this.name);
      this.received.add(item.datetime);
      if (item.action === 'created' || item.action === 'updated' || item.action === 'added')
        this.unfetched.add(item.item_id);
    }
    this.until = until;
    this.next = next;
    if (this.isStarting) {
      if (!hasMore) {
        this.isStarting = false;
        this.from = until;
        this.snapshots.push({ until, copy: this.copy.summary(), follower: this.name });
      }
      // What it shows as created may have been updated in truth.
      return isIdle;
    }
    const missed = this.feed.between(since, until).find((fact) => !this.has(fact));
    if (missed) this.fail('lost', `was not told of ${describe(missed)}, which is in the feed`, missed);
    for (const item of items) this.feed.learn(factOf(item), this.name);
    return isIdle;
  }

  private async fetchContents(): Promise<void> {
    const ids = [...this.unfetched];
    for (let n = 0; n < ids.length; n += 4)
      await Promise.all(ids.slice(n, n + 4).map((id) => this.fetchContent(id)));
  }

  private async fetchContent(id: number): Promise<void> {
    const own = this.copy.alive.get(`own ${id}`);
    const item = own ?? this.copy.alive.get(`pin ${id}`);
    if (!item) {
      this.unfetched.delete(id);
      this.contents.delete(id);
      return;
    }
    const { status, body } = await this.client.get(item.item_url);
    this.statistics.countStatus(status);
    if (status === 200) {
      const page = body[item.item_type] as Page;
      if (own && normalized(page.updated_at) < own.datetime)
        this.fail(
          'half-there',
          `${describe(factOf(own))} is in the feed, but the item is that of ${page.updated_at}`,
          {
            item: id,
            datetime: own.datetime,
            record: page.record_id,
          },
        );
      this.contents.set(id, page);
      this.model.history.records.set(id, page.record_id);
    } else if (status === 404 || status === 403) {
      if (own && status === 403) this.fail('permission', `got 403 for its own item ${id}`, { item: id });
      this.contents.delete(id);
    } else return; // Tried again after the next poll.
    this.statistics.countPoll(this.styleName, { contents: 1 });
    this.unfetched.delete(id);
  }

  /** One answer goes on where the other one ends; on one database, it is the second one that does. */
  private expectSame(first: Received, second: Received): void {
    const [a, b] = [first, second].map(({ items }) =>
      items.map((item) => JSON.stringify({ ...item, item_url: '', collection: item.collection?.id })),
    );
    const shared = Math.min(a.length, b.length);
    const index = a.findIndex((item, n) => n < shared && item !== b[n]);
    if (index >= 0)
      this.fail('order', `asked twice, it got ${a[index]} and then ${b[index]}`, {
        datetime: first.items[index].datetime,
      });
    if (!this.model.mayLag && b.length < a.length && !second.hasMore)
      this.fail('lost', 'asked twice, it got less the second time', {
        datetime: first.items[shared].datetime,
      });
  }

  /** What was answered, or seen by anybody, before a request was sent must be in its answer. */
  private expectFresh(until: string, newest: string, subject: Subject): void {
    if (!this.model.mayLag && until < newest)
      this.fail(
        'stale',
        `was told that the feed ends at ${until}, when the change at ${newest} was known`,
        subject,
      );
  }

  private fail(kind: Parameters<Feed['fail']>[0], message: string, subject: Subject): never {
    this.feed.fail(kind, `follower "${this.styleName}": ${message}`, { ...subject, follower: this.name });
  }
}

interface Received {
  entry: Entry;
  items: Item[];
  until: string;
  hasMore: boolean;
  next: string;
}
