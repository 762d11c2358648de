import { type Client, normalizeDatetime } from './client.js';
import { Copy, type Item } from './feed.js';
import type { Page } from './follower.js';
import type { Content, Developer } from './model.js';

/** The copies have not converged yet, or the server cannot be read at the moment: try again. */
export class NotConverged extends Error {}

export interface RecordBody extends Content {
  id: string;
  createdAt: string;
  updatedAt: string;
}

/** One developer's library as the server shows it, at one moment. */
export interface ServerState {
  developer: Developer;
  client: Client;
  /** The whole feed. */
  items: Item[];
  /** The feed clock. */
  until: string;
  /** The copy that results from the whole feed. */
  copy: Copy;
  /** By `createdAt`. */
  records: Map<string, RecordBody>;
  /** Item pages of the collection, by item id. */
  collection: Map<number, Page>;
}

/**
 * Reads feed, records and collection of a developer.
 *
 * @throws NotConverged if the feed changes meanwhile
 */
export async function readServerState(developer: Developer, client: Client): Promise<ServerState> {
  const { items, until } = await readFeed(client, '1970-01-01');
  const copy = new Copy(developer.feed);
  for (const item of items) copy.apply(item, false, 'a new follower');
  const list = `/api/v1/sync/records?developerId=${developer.developerId}`;
  const records = await readPages<RecordBody>(client, list, 'data');
  const bodies = await readPages<Record<string, Page & { id: number }>>(
    client,
    `/api/v1/collections/${developer.feed.userId}.json?`,
    'items',
  );
  const pages = bodies.map((body) => Object.values(body)[0]);
  if ((await readFeed(client, until)).until !== until) throw new NotConverged('the feed still changes');
  return {
    developer,
    client,
    items,
    until,
    copy,
    records: new Map(records.map((record) => [normalizeDatetime(record.createdAt), record])),
    collection: new Map(pages.map((page) => [page.id, page])),
  };
}

async function readFeed(client: Client, since: string): Promise<{ items: Item[]; until: string }> {
  const { items, meta } = await read(client, `/api/v1/sync.json?since=${since}`);
  return { items, until: normalizeDatetime(meta.rwgps_datetime) };
}

/** Reads all pages of a list; `field` names the array in the body. */
export async function readPages<T>(client: Client, link: string, field: string): Promise<T[]> {
  const values: T[] = [];
  for (let page = 1; ; page++) {
    const body = await read(client, `${link}&limit=100&page=${page}`);
    values.push(...(body[field] as T[]));
    if (values.length >= body.total) return values;
  }
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- checked by its readers
async function read(client: Client, link: string): Promise<any> {
  const { status, body } = await client.get(link);
  if (status !== 200) throw new NotConverged(`${link} responded ${status}`);
  return body;
}
