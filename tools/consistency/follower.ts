import { type Client, type HttpResponse, normalizeDatetime } from './client.js';
import {
  ASSETS,
  changeOf,
  Copy,
  type Feed,
  type FeedReader,
  formatChange,
  type Item,
  type KnownChange,
} from './feed.js';
import { type Style, STYLES } from './follower-styles.js';
import type { Entry, Subject } from './history.js';
import type { Model } from './model.js';
import type { Random } from '../random.js';
import type { Statistics } from './statistics.js';
import { type SyncBody, verifySyncBody } from './sync-response.js';

/** A cursor before every change. */
const BEGINNING = '1970-01-01T00:00:00.000Z';

/** The content of an item page. */
export interface Page {
  record_id: string;
  updated_at: string;
  data: unknown;
  status: string;
  metadata: unknown;
}

/** A client that keeps a copy of a library, and verifies every response. */
export class Follower implements FeedReader {
  readonly name: string;
  readonly style: Style;
  copy: Copy;
  /** Content of the items of the copy; only for the style `isFetching`. */
  readonly contents = new Map<number, Page>();
  /** Copies as of the end of a compact start, for comparison once the whole feed is known. */
  readonly snapshots: { until: string; copy: Map<string, string>; follower: string }[] = [];
  /** The cursor: end of the range that was received. */
  until = BEGINNING;
  /** The last response brought no change. */
  private isIdle = false;
  /** Start of the range that was received completely; a compact start omits superseded changes before it. */
  private from = BEGINNING;
  /** Datetimes of all received changes. */
  private readonly received = new Set<string>();
  /** Ids of items whose content has to be fetched. */
  private readonly unfetched = new Set<number>();
  private readonly assets: string[] | undefined;
  /** The compact start has not reached its last page yet. */
  private isStarting: boolean;
  /** The next request: a cursor, or a link. */
  private next: string;
  private last?: { path: string; etag: string };
  private lastEventId?: string;

  constructor(
    readonly styleName: string,
    readonly feed: Feed,
    private readonly client: Client,
    private readonly model: Model,
    private readonly random: Random,
    private readonly statistics: Statistics,
  ) {
    this.name = `${feed.developerId} ${styleName}`;
    this.style = STYLES[styleName];
    const assets = Object.values(ASSETS);
    if (this.style.isFiltering)
      this.assets = random.shuffled(assets).slice(0, random.integer(1, assets.length - 1));
    this.reset();
    feed.readers.push(this);
  }

  /** Drops the copy and the cursor, like a client that was reinstalled. */
  reset(): void {
    this.copy = new Copy(this.feed);
    this.until = this.from = BEGINNING;
    this.received.clear();
    this.unfetched.clear();
    this.contents.clear();
    this.isStarting = this.style.isCompact === true;
    this.last = this.lastEventId = undefined;
    const query = new URLSearchParams({
      since: BEGINNING,
      ...(this.isStarting && { compact: 'true' }),
      ...(this.assets && { assets: this.assets.join() }),
    });
    this.next = this.style.cursor ? BEGINNING : `/api/v1/sync.json?${query}`;
  }

  /** True also for a change outside of the range or the asset types of this follower. */
  hasReceived({ datetime, itemType }: KnownChange): boolean {
    const isCovered = !this.isStarting && this.from < datetime && datetime <= this.until;
    return !isCovered || !this.wants(itemType) || this.received.has(datetime);
  }

  wants(itemType: string): boolean {
    return this.assets === undefined || this.assets.includes(ASSETS[itemType]);
  }

  /** Sends one sync request, verifies and applies its response, and fetches contents. */
  async poll(): Promise<void> {
    const { random, style } = this;
    if (random.chance(style.isCompact ? 0.04 : 0.005)) this.reset();
    const path = this.path();
    if (style.isStreaming) return this.stream(path);
    const [first, isRepeated] = [await this.request(path), style.isRepeating && random.chance(0.5)];
    const second = isRepeated && first ? await this.request(path) : undefined;
    if (first && second) this.verifyRetry(first, second);
    const result = second ?? first;
    this.isIdle = result !== undefined && this.apply(result);
    if (style.isFetching) await this.fetchContents();
  }

  /** Time until the next poll, in ms. */
  pause(): number {
    return this.random.integer(0, this.isIdle ? 100 : 20);
  }

  /** The last response brought no change, and no content is missing. */
  get isCaughtUp(): boolean {
    return this.isIdle && (!this.style.isFetching || this.unfetched.size === 0);
  }

  private path(): string {
    const limit = this.style.isPaging ? `&limit=${this.random.integer(1, this.isStarting ? 40 : 8)}` : '';
    const wait =
      this.style.isWaiting && !this.next.includes('&wait=') ? `&wait=${this.random.integer(1, 2)}` : '';
    if (!this.style.cursor) return this.next + limit + wait;
    const query = new URLSearchParams({ since: this.next, ...(this.isStarting && { compact: 'true' }) });
    return `/api/v1/sync.json?${query}${limit}`;
  }

  /** @returns undefined if there was no usable response */
  private async request(path: string): Promise<SyncResult | undefined> {
    const { random, style } = this;
    const entry = this.model.history.begin({
      actor: `follower ${this.styleName}`,
      developerId: this.feed.developerId,
      follower: this.name,
      text: `sync ${path.slice(path.indexOf('?'))}`,
    });
    const latest = this.feed.latestDatetime;
    const headers =
      style.isConditional && this.last?.path === path ? { 'if-none-match': this.last.etag } : undefined;
    const abortAfter = style.isAborting && random.chance(0.3) ? random.integer(1, 12) : undefined;
    const response = await this.client.get(path, { headers, abortAfter });
    const { status } = response;
    this.statistics.countStatus(status);
    const isUsable = status === 200 || status === 304;
    this.statistics.countPoll(this.styleName, { polls: 1, retries: isUsable ? 0 : 1 });
    if (status === 304) this.verifyFreshness(this.until, latest, {});
    if (status > 0 && status < 500 && !isUsable)
      this.fail('response', `${path} responded ${status}: ${JSON.stringify(response.body)}`, {});
    if (status !== 200) {
      if (status === 304) this.model.history.discard(entry);
      else this.model.history.end(entry, status > 0 ? String(status) : 'no response');
      return status === 304
        ? { entry, items: [], until: this.until, hasMore: false, next: this.next }
        : undefined;
    }
    return this.verifyResponse(path, entry, response, latest);
  }

  /** Applies the events of one connection. */
  private async stream(path: string): Promise<void> {
    // The pages of a compact start are as of the first one, also on the next connection.
    const latest = this.lastEventId?.includes('/') ? '' : this.feed.latestDatetime;
    const answer = await this.client.stream(path, this.lastEventId, this.random.integer(100, 2_000));
    const { status, headers, events } = answer;
    this.statistics.countStatus(status);
    this.statistics.countPoll(this.styleName, { polls: 1, retries: status === 200 ? 0 : 1 });
    if (status > 0 && status < 500 && status !== 200)
      this.fail('response', `${path} responded ${status}: ${JSON.stringify(answer.body)}`, {});
    this.isIdle = false;
    for (const [n, { id, event, data }] of events.entries()) {
      if (event === 'error') {
        if (data.code !== 'service_unavailable') this.fail('response', `event ${JSON.stringify(data)}`, {});
        return;
      }
      const entry = this.model.history.begin({
        actor: `follower ${this.styleName}`,
        developerId: this.feed.developerId,
        follower: this.name,
        text: `event ${id}`,
      });
      const result = this.verifyResponse(path, entry, { status, headers, body: data }, n === 0 ? latest : '');
      this.isIdle = this.apply(result);
      this.lastEventId = id;
    }
  }

  /** @param latest datetime of the latest change that was known before the request */
  private verifyResponse(
    path: string,
    entry: Entry,
    { body, headers }: HttpResponse,
    latest: string,
  ): SyncResult {
    const { items, meta } = body as SyncBody;
    const until = normalizeDatetime(meta.rwgps_datetime);
    const hasMore = meta.has_more === true;
    this.model.history.end(entry, `${items.length} items up to ${until}${hasMore ? ', more' : ''}`, {
      range: { since: this.until, until },
      datetimes: items.map(({ datetime }) => datetime),
      items: items.map(({ item_id }) => item_id),
    });
    this.last = { path, etag: headers.get('etag') ?? '' };
    verifySyncBody(
      body as SyncBody,
      path,
      this.until,
      (itemType) => this.wants(itemType),
      (...violation) => this.fail(...violation),
    );
    if (!hasMore) this.verifyFreshness(until, latest, { datetime: latest });
    const next = this.style.cursor ? this.style.cursor(meta.rwgps_datetime) : meta.next_sync_url;
    return { entry, items, until, hasMore, next };
  }

  /** Applies a response to the copy. Returns whether it brought no change. */
  private apply({ entry, items, until, hasMore, next }: SyncResult): boolean {
    const isIdle = items.length === 0 && !hasMore;
    this.statistics.countPoll(this.styleName, { items: items.length });
    if (isIdle && until === this.until) this.model.history.discard(entry);
    const since = this.until;
    for (const item of items) {
      this.copy.apply(item, this.isStarting, this.name);
      this.received.add(item.datetime);
      if (item.action === 'created' || item.action === 'updated' || item.action === 'added')
        this.unfetched.add(item.item_id);
    }
    this.until = until;
    // A stream keeps its URL.
    if (!this.style.isStreaming) this.next = next;
    if (this.isStarting) {
      if (!hasMore) {
        this.isStarting = false;
        this.from = until;
        this.snapshots.push({ until, copy: this.copy.summary(), follower: this.name });
      }
      // Not added to the feed: a compact feed may show an `updated` as `created`.
      return isIdle;
    }
    const missed = this.feed.between(since, until).find((change) => !this.hasReceived(change));
    if (missed) this.fail('lost', `did not receive ${formatChange(missed)}, which is in the feed`, missed);
    for (const item of items) this.feed.add(changeOf(item), this.name);
    return isIdle;
  }

  private async fetchContents(): Promise<void> {
    const ids = [...this.unfetched];
    for (let n = 0; n < ids.length; n += 4)
      await Promise.all(ids.slice(n, n + 4).map((id) => this.fetchContent(id)));
  }

  private async fetchContent(id: number): Promise<void> {
    const own = this.copy.entries.get(`own ${id}`);
    const item = own ?? this.copy.entries.get(`pin ${id}`);
    if (!item) {
      this.unfetched.delete(id);
      this.contents.delete(id);
      return;
    }
    const { status, body } = await this.client.get(item.item_url);
    this.statistics.countStatus(status);
    if (status === 200) {
      const page = body[item.item_type] as Page;
      if (own && normalizeDatetime(page.updated_at) < own.datetime)
        this.fail(
          'not-atomic',
          `${formatChange(changeOf(own))} is in the feed, but the item page is of ${page.updated_at}`,
          { item: id, datetime: own.datetime, record: page.record_id },
        );
      this.contents.set(id, page);
      this.model.history.records.set(id, page.record_id);
    } else if (status === 404) {
      this.contents.delete(id);
    } else return; // Retried after the next poll.
    this.statistics.countPoll(this.styleName, { contents: 1 });
    this.unfetched.delete(id);
  }

  /**
   * Two responses to one request: one must be a prefix of the other; without replicas, the first of the
   * second.
   */
  private verifyRetry(first: SyncResult, second: SyncResult): void {
    const [a, b] = [first, second].map(({ items }) =>
      items.map((item) => JSON.stringify({ ...item, item_url: '', collection: item.collection?.id })),
    );
    const shared = Math.min(a.length, b.length);
    const index = a.findIndex((item, n) => n < shared && item !== b[n]);
    if (index >= 0)
      this.fail('order', `the same request returned ${a[index]} and then ${b[index]}`, {
        datetime: first.items[index].datetime,
      });
    if (!this.model.mayLag && b.length < a.length && !second.hasMore)
      this.fail('lost', 'the same request returned fewer changes the second time', {
        datetime: first.items[shared].datetime,
      });
  }

  /** Read your own writes: a response contains every change that was known before its request. */
  private verifyFreshness(until: string, latest: string, subject: Subject): void {
    if (!this.model.mayLag && until < latest)
      this.fail(
        'stale',
        `got the cursor ${until}, although the change at ${latest} was known before the request`,
        subject,
      );
  }

  private fail(kind: Parameters<Feed['fail']>[0], message: string, subject: Subject): never {
    this.feed.fail(kind, `follower "${this.styleName}": ${message}`, { ...subject, follower: this.name });
  }
}

/** A verified sync response. */
interface SyncResult {
  entry: Entry;
  items: Item[];
  until: string;
  hasMore: boolean;
  next: string;
}
