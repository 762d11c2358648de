import { isDeepStrictEqual } from 'node:util';
import { type Client, normalized } from './client.js';
import { Copy, describe, difference, factOf, type Item, itemOf } from './feed.js';
import type { Follower, Page } from './follower.js';
import type { Entry } from './history.js';
import {
  type Content,
  contentOf,
  type Developer,
  FIELDS,
  type KnownRecord,
  type Model,
  type Write,
} from './model.js';

/** Not everything has arrived, or something still changes: look again. */
export class Unsettled extends Error {}

interface RecordBody extends Content {
  id: string;
  createdAt: string;
  updatedAt: string;
}

/** A library as the server shows it, at one moment. */
interface Truth {
  developer: Developer;
  client: Client;
  items: Item[];
  until: string;
  copy: Copy;
  /** By `createdAt`. */
  records: Map<string, RecordBody>;
  /** Pages of the collection, by id of the item. */
  collection: Map<number, Page>;
}

/** Compares what is there in the end to what was written, and what each follower has to what is there. */
export class Verification {
  private readonly truths = new Map<Developer, Truth>();
  /** Whose creation each item is. */
  private readonly records = new Map<number, KnownRecord>();

  constructor(
    private readonly model: Model,
    private readonly followers: readonly Follower[],
    private readonly clients: ReadonlyMap<Developer, Client>,
  ) {}

  /** @throws Violation, Unsettled */
  async run(): Promise<void> {
    for (const developer of this.model.developers) this.truths.set(developer, await this.read(developer));
    for (const truth of this.truths.values()) {
      this.verifyFollowers(truth);
      this.verifyWrites(truth);
      this.verifyOrder(truth);
    }
    for (const truth of this.truths.values()) {
      await this.verifyCollection(truth);
      await this.verifyShares(truth);
    }
  }

  private async read(developer: Developer): Promise<Truth> {
    const client = this.clients.get(developer)!;
    const { items, until } = await this.readFeed(client);
    const copy = new Copy(developer.feed);
    for (const item of items) copy.apply(item, false, 'a fresh follower');
    const list = `/api/v1/sync/records?developerId=${developer.id}`;
    const records = await readPages<RecordBody>(client, list, 'data');
    const bodies = await readPages<Record<string, Page & { id: number }>>(
      client,
      `/api/v1/collections/${developer.feed.id}.json?`,
      'items',
    );
    const pages = bodies.map((body) => Object.values(body)[0]);
    const isBehind = this.followersOf(developer).some((follower) => follower.until !== until);
    if (isBehind || (await this.readFeed(client, until)).until !== until) throw new Unsettled();
    return {
      developer,
      client,
      items,
      until,
      copy,
      records: new Map(records.map((record) => [normalized(record.createdAt), record])),
      collection: new Map(pages.map((page) => [page.id, page])),
    };
  }

  private async readFeed(client: Client, since = '1970-01-01'): Promise<{ items: Item[]; until: string }> {
    const { items, meta } = await read(client, `/api/v1/sync.json?since=${since}`);
    return { items, until: normalized(meta.rwgps_datetime) };
  }

  private followersOf({ feed }: Developer): Follower[] {
    return this.followers.filter((follower) => follower.feed === feed);
  }

  /** Every copy is that of somebody who has read the whole feed from its beginning. */
  private verifyFollowers({ developer, items, copy, records }: Truth): void {
    const compare = (has: Map<string, string>, should: Map<string, string>, follower: string, at: string) => {
      const wrong = difference(has, should);
      if (!wrong) return;
      developer.feed.fail(
        'lost',
        `the copy of ${follower}${at} has for ${wrong.story} ${wrong.has}, but should have ${wrong.should}`,
        {
          item: itemOf(wrong.story),
          follower,
          datetime: wrong.should === 'nothing' ? undefined : wrong.should,
        },
      );
    };
    for (const follower of this.followersOf(developer)) {
      const wanted = [...copy.alive].filter(([, item]) => follower.wants(item.item_type));
      const should = new Map(wanted.map(([story, item]) => [story, item.datetime]));
      compare(follower.copy.summary(), should, follower.name, '');
      for (const snapshot of follower.snapshots) {
        const past = new Copy(developer.feed);
        for (const item of items) if (item.datetime <= snapshot.until) past.apply(item, false, follower.name);
        compare(
          snapshot.copy,
          past.summary(),
          follower.name,
          `, made by a compact answer up to ${snapshot.until},`,
        );
      }
      for (const [story, item] of follower.style.isFetching ? copy.alive : []) {
        const page = follower.contents.get(item.item_id);
        const record = [...records.values()].find(({ id }) => id === page?.record_id);
        if (!story.startsWith('own') || (record && isDeepStrictEqual(contentOf(page!), contentOf(record))))
          continue;
        developer.feed.fail(
          'content',
          `the content that ${follower.name} has of item ${item.item_id} is not the latest`,
          {
            item: item.item_id,
            follower: follower.name,
          },
        );
      }
    }
  }

  /** Every write that was answered is in the feed and in the records, and nothing else is. */
  private verifyWrites({ developer, items, copy, records }: Truth): void {
    const chains = new Map<string, Item[]>();
    for (const item of items) {
      const story = copy.storyOf(item);
      if (story.startsWith('own')) chains.set(story, [...(chains.get(story) ?? []), item]);
    }
    const byCreation = new Map([...chains.values()].map((chain) => [chain[0].datetime, chain]));
    const known = this.model.recordsOf(developer);
    for (const record of known) {
      const chain = byCreation.get(record.createdAt);
      if (!chain)
        this.model.fail('lost', 'its answered creation is not in the feed', record, record.createdAt);
      this.records.set(chain[0].item_id, record);
      record.created.entry.item = chain[0].item_id;
      this.verifyChain(record, chain, records.get(record.createdAt));
    }
    const alive = [...copy.summary()].filter(([story]) => story.startsWith('own'));
    const wrong = difference(
      new Map(
        [...records.values()].map((record) => [normalized(record.createdAt), normalized(record.updatedAt)]),
      ),
      new Map(alive.map(([story, datetime]) => [chains.get(story)![0].datetime, datetime])),
    );
    if (wrong)
      developer.feed.fail(
        'half-there',
        `of the item created at ${wrong.story}, the records have ${wrong.has} and the feed has ${wrong.should}`,
        { datetime: wrong.story, item: byCreation.get(wrong.story)?.[0].item_id },
      );
    // What is left was created by somebody who did not get the answer. Nobody else knows its id.
    const creations = this.model.unknownCreations.filter(({ owner }) => owner === developer);
    const isKnown = new Set(known.map(({ createdAt }) => createdAt));
    for (const [createdAt, chain] of byCreation) {
      if (isKnown.has(createdAt)) continue;
      const body = records.get(createdAt);
      const index = creations.findIndex(
        ({ write }) => body && isDeepStrictEqual(contentOf(body), write.content),
      );
      if (index < 0 || chain.length > 1)
        developer.feed.fail('half-there', `${describe(factOf(chain[0]))} is nobody's write`, {
          datetime: createdAt,
          item: chain[0].item_id,
        });
      creations.splice(index, 1);
    }
  }

  /** The changes of one record follow from its writes, in the order of the feed. */
  private verifyChain(record: KnownRecord, chain: Item[], body: RecordBody | undefined): void {
    const unknown = (operation: Write['operation']) =>
      record.writes.filter((write) => write.operation === operation && write.outcome === 'unknown');
    const acknowledged = (operation: Write['operation']) =>
      record.writes.filter((write) => write.operation === operation && write.outcome === 'acknowledged');
    /** What each field may be. */
    const possible = Object.fromEntries(FIELDS.map((field) => [field, [record.created.content[field]]]));
    const expectPossible = (content: Content, where: string, datetime: string) => {
      const field = FIELDS.find(
        (name) => !possible[name].some((value) => isDeepStrictEqual(value, content[name])),
      );
      if (field !== undefined)
        this.model.fail(
          'content',
          `its ${field} ${where} is ${JSON.stringify(content[field])}`,
          record,
          datetime,
        );
    };
    const patches = new Map(acknowledged('patch').map((write) => [write.tick, write]));
    let unexplained = 0;
    for (const [n, { action, datetime }] of chain.entries()) {
      if (action === 'deleted') {
        const [deletion, another] = acknowledged('delete');
        if (another) this.model.fail('order', 'two clients were answered that they have deleted it', record);
        if (!deletion && unknown('delete').length === 0)
          this.model.fail(
            'half-there',
            'the feed says "deleted", but nobody has deleted it',
            record,
            datetime,
          );
        if (deletion) deletion.tick = datetime;
      }
      if (action !== 'updated') continue;
      const write = patches.get(datetime);
      patches.delete(datetime);
      if (write?.ifMatch !== undefined && write.ifMatch !== chain[n - 1].datetime)
        this.model.fail(
          'order',
          `a PATCH of version ${write.ifMatch} has changed that of ${chain[n - 1].datetime}`,
          record,
          datetime,
        );
      if (!write && ++unexplained > unknown('patch').length)
        this.model.fail(
          'half-there',
          `the feed says "updated" at ${datetime}, but that is nobody's write`,
          record,
          datetime,
        );
      for (const field of FIELDS) {
        if (!write) possible[field].push(...unknown('patch').flatMap(({ content }) => content[field] ?? []));
        else if (field in write.content) possible[field] = [write.content[field]];
      }
      if (write) expectPossible(write.answered!, 'as it was answered', datetime);
    }
    const [lost] = patches.keys();
    if (lost !== undefined)
      this.model.fail('lost', `its answered PATCH of ${lost} is not in the feed`, record, lost);
    const { action, datetime } = chain.at(-1)!;
    if (action !== 'deleted' && acknowledged('delete').length > 0)
      this.model.fail('lost', 'its answered deletion is not in the feed', record);
    if (action !== 'deleted' && body) {
      if (body.id !== record.id) this.model.fail('content', `is now called ${body.id}`, record, datetime);
      expectPossible(contentOf(body), 'in the end', datetime);
    }
  }

  /** A write that was answered before another one was sent comes before it in the feed. */
  private verifyOrder({ developer }: Truth): void {
    const dated = this.model
      .recordsOf(developer)
      .flatMap((record) => [record.created, ...record.writes].map((write) => ({ record, write })))
      .filter(({ write }) => write.outcome === 'acknowledged' && write.tick !== undefined);
    const bySent = dated.toSorted((a, b) => a.write.entry.sent - b.write.entry.sent);
    const byDone = dated.toSorted((a, b) => a.write.entry.done! - b.write.entry.done!);
    let next = 0;
    let latest = '';
    for (const { record, write } of bySent) {
      for (; byDone[next].write.entry.done! < write.entry.sent; next++)
        if (byDone[next].write.tick! > latest) latest = byDone[next].write.tick!;
      if (write.tick! <= latest)
        this.model.fail(
          'order',
          `its ${write.operation} has the datetime ${write.tick}, but was sent after the change at ${latest} had been answered`,
          record,
          write.tick,
        );
    }
  }

  /** The collection, the feed and the rights of its developer agree. */
  private async verifyCollection({ developer, items, copy, collection, client }: Truth): Promise<void> {
    const { feed } = developer;
    const pins = new Set([...copy.alive.keys()].filter((story) => story.startsWith('pin')).map(itemOf));
    for (const item of new Set([...pins, ...collection.keys()])) {
      if (pins.has(item) !== collection.has(item))
        feed.fail(
          'undelivered',
          `item ${item} is ${pins.has(item) ? 'in' : 'not in'} the feed's collection, in truth it is the opposite`,
          { item, record: this.records.get(item)?.id },
        );
    }
    for (const follower of this.followersOf(developer).filter(({ style }) => style.isFetching)) {
      for (const item of pins) {
        const [has, should] = [follower.contents.get(item), collection.get(item)];
        if (!has || !isDeepStrictEqual(contentOf(has), contentOf(should!)))
          feed.fail('undelivered', `${follower.name} has not got the latest content of pinned item ${item}`, {
            item,
            follower: follower.name,
            record: should!.record_id,
          });
      }
    }
    for (const item of items.filter(({ item_user_id }) => item_user_id !== feed.id)) {
      const record = this.records.get(item.item_id);
      const isAllowed =
        record &&
        record.shareWith(developer).turns.on.length > 0 &&
        record.pinOf(developer).turns.on.length > 0;
      if (!isAllowed)
        feed.fail(
          'permission',
          `${describe(factOf(item))} is of somebody else, and was never shared and pinned`,
          { item: item.item_id, datetime: item.datetime },
        );
    }
    for (const [item, record] of this.records) {
      this.verifyPin(
        record,
        developer,
        collection.has(item),
        items.filter(({ item_id }) => item_id === item),
      );
      // Nobody is told that it may be read: it is asked for.
      const mayRead = record.owner === developer || record.shareWith(developer).value;
      const { status } =
        mayRead === false && !record.mayBeGone
          ? await client.get(`/api/v1/sync/records/${record.id}`)
          : { status: 403 };
      if (status > 0 && status < 500 && status !== 403)
        this.model.fail('permission', `${developer.id} gets ${status}, but it is not shared`, record);
    }
  }

  private verifyPin(record: KnownRecord, developer: Developer, isPinned: boolean, items: Item[]): void {
    const pin = record.pinOf(developer);
    const share = record.shareWith(developer);
    if (pin.value === false && isPinned)
      this.model.fail('lost', `${developer.id} has unpinned it, but it is in the collection`, record);
    const added = items.filter(({ action }) => action === 'added');
    if (added.length > pin.turns.on.length)
      this.model.fail(
        'delivered-twice',
        `${developer.id} was told ${added.length} times that it was pinned`,
        record,
      );
    const isForSure =
      pin.value === true && !record.mayBeGone && (record.owner === developer || share.turns.off.length === 0);
    if (!isForSure) return;
    if (!isPinned)
      this.model.fail('lost', `${developer.id} has pinned it, but it is not in the collection`, record);
    if (record.owner === developer || pin.turns.on.length > 1 || pin.turns.off.length > 0) return;
    const [pinning]: Entry[] = pin.turns.on;
    const patches = record.writes.filter(({ operation }) => operation === 'patch');
    const answered = patches.filter(({ outcome }) => outcome === 'acknowledged');
    const least = answered.filter(({ entry }) => entry.sent > pinning.done!).length;
    const most = patches.filter(
      ({ outcome, entry }) =>
        outcome === 'unknown' || (outcome === 'acknowledged' && entry.done! > pinning.sent),
    ).length;
    const told = items.filter(({ action }) => action === 'updated').length;
    if (told < least)
      this.model.fail(
        'undelivered',
        `${developer.id} was told of ${told} updates since it was pinned, there were ${least}`,
        record,
      );
    if (told > most)
      this.model.fail(
        'delivered-twice',
        `${developer.id} was told of ${told} updates since it was pinned, there were ${most}`,
        record,
      );
  }

  private async verifyShares({ developer, client }: Truth): Promise<void> {
    for (const record of this.model.recordsOf(developer).filter(({ mayBeGone }) => !mayBeGone)) {
      const shares = await readPages<{ developerId: string }>(
        client,
        `/api/v1/sync/records/${record.id}/shares?`,
        'data',
      );
      for (const other of this.model.developers) {
        const { value } = record.shareWith(other);
        const isShared = shares.some(({ developerId }) => developerId === other.id);
        if (other !== developer && value !== undefined && value !== isShared)
          this.model.fail(
            'lost',
            `it ${value ? 'was' : 'was not'} shared with ${other.id}, in the end it is the opposite`,
            record,
          );
      }
    }
  }
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- checked by who reads it
async function read(client: Client, link: string): Promise<any> {
  const { status, body } = await client.get(link);
  if (status !== 200) throw new Unsettled(`${link} answered ${status}`);
  return body;
}

async function readPages<T>(client: Client, link: string, field: string): Promise<T[]> {
  const things: T[] = [];
  for (let page = 1; ; page++) {
    const body = await read(client, `${link}&limit=100&page=${page}`);
    things.push(...(body[field] as T[]));
    if (things.length >= body.total) return things;
  }
}
