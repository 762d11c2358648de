import { describe, expect, it } from '@jest/globals';
import { type Api, RECORDS } from '../support/api.js';
import { SyncClient, type SyncItem } from '../support/sync-client.js';
import { until } from '../support/until.js';
import { app } from './app.js';

let count = 0;

class Developer {
  constructor(
    readonly id: string,
    readonly api: Api,
    readonly feed: SyncClient,
  ) {}

  static async create(): Promise<Developer> {
    const id = `collections-${++count}`;
    const api = await app.developer(id);
    return new Developer(id, api, new SyncClient(api));
  }

  create(resourceType = 'ROUTE', data: Record<string, unknown> = { km: 1 }) {
    return this.api.create({ developerId: this.id, resourceType, resourceKey: `key-${++count}`, data });
  }

  /** Shares a record and has the other pin it. */
  async shareWith(other: Developer, record: { id: string }): Promise<void> {
    expect((await this.api.put(`${RECORDS}/${record.id}/shares/${other.id}`)).status).toBe(204);
    expect((await other.api.put(`${RECORDS}/${record.id}/pin`)).status).toBe(204);
  }

  /** Polls until the feed has brought so many items in all; returns their actions. */
  async receive(items: number): Promise<string[]> {
    await until(async () => {
      await this.feed.poll();
      return this.feed.received.length >= items;
    });
    return this.feed.received.map((item) => item.action);
  }
}

const pair = () => Promise.all([Developer.create(), Developer.create()]);

describe('sharing', () => {
  it('lets another developer read a record by id and by item page, and nothing more', async () => {
    const [owner, reader] = await pair();
    const record = await owner.create();
    const path = `${RECORDS}/${record.id}`;
    const [item] = (await owner.api.sync('since=1970-01-01')).body.items;
    expect((await reader.api.get(path)).status).toBe(403);
    expect((await reader.api.get(item.item_url)).status).toBe(404);
    for (let twice = 0; twice < 2; twice++) {
      expect(await owner.api.put(`${path}/shares/${reader.id}`)).toMatchObject({ status: 204, body: '' });
    }
    expect((await reader.api.get(path)).body).toEqual(record);
    expect((await reader.api.get(item.item_url)).body.route).toMatchObject({
      record_id: record.id,
      data: { km: 1 },
    });
    expect((await reader.api.patch(path, { data: {} })).status).toBe(403);
    expect((await reader.api.delete(path)).status).toBe(403);
    expect((await reader.api.get(`${path}/shares`)).status).toBe(404);
    expect((await reader.api.put(`${path}/shares/${reader.id}`)).status).toBe(404);
    expect((await reader.api.get(RECORDS)).body).toMatchObject({ total: 0, data: [] });
    expect((await reader.api.sync('since=1970-01-01')).body.items).toEqual([]);
    const shares = await owner.api.get(`${path}/shares`);
    expect(shares.body).toEqual({
      total: 1,
      page: 1,
      limit: 50,
      data: [{ developerId: reader.id, createdAt: expect.stringMatching(/^\d{4}-.*Z$/) }],
    });
  });

  it('ends at once, and ending it twice is no error', async () => {
    const [owner, reader] = await pair();
    const path = `${RECORDS}/${(await owner.create()).id}`;
    await owner.api.put(`${path}/shares/${reader.id}`);
    for (let twice = 0; twice < 2; twice++) {
      expect((await owner.api.delete(`${path}/shares/${reader.id}`)).status).toBe(204);
      expect((await reader.api.get(path)).status).toBe(403);
    }
    expect((await owner.api.get(`${path}/shares`)).body.total).toBe(0);
  });

  it('is for the owner and for admins, with developers and records that exist', async () => {
    const [owner, reader] = await pair();
    const path = `${RECORDS}/${(await owner.create()).id}`;
    const nobody = `${RECORDS}/00000000-0000-7000-8000-000000000000`;
    expect((await owner.api.put(`${path}/shares/never-seen`)).status).toBe(404);
    expect((await owner.api.delete(`${path}/shares/never-seen`)).status).toBe(204);
    expect((await owner.api.put(`${path}/shares/${owner.id}`)).status).toBe(400);
    expect((await owner.api.put(`${path}/shares/a%00b`)).status).toBe(400);
    expect((await owner.api.put(`${RECORDS}/no-uuid/shares/${reader.id}`)).status).toBe(400);
    expect((await owner.api.put(`${nobody}/shares/${reader.id}`)).status).toBe(404);
    expect((await reader.api.put(`${path}/shares/${reader.id}`)).status).toBe(404);
    expect((await app.admin.put(`${path}/shares/${reader.id}`)).status).toBe(204);
    expect((await app.admin.put(`${path}/shares/new-developer`)).status).toBe(204);
    expect((await app.admin.get(`${path}/shares?limit=1`)).body).toMatchObject({ total: 2, limit: 1 });
    expect((await app.admin.delete(`${path}/shares/${reader.id}`)).status).toBe(204);
    expect((await reader.api.get(path)).status).toBe(403);
  });
});

describe('pinning', () => {
  it('puts an own record into the collection and announces it once', async () => {
    const owner = await Developer.create();
    const record = await owner.create();
    const path = `${RECORDS}/${record.id}/pin`;
    for (let twice = 0; twice < 2; twice++) expect((await owner.api.put(path)).status).toBe(204);
    expect(await owner.receive(2)).toEqual(['created', 'added']);
    const { collection, item_user_id } = owner.feed.received[1];
    expect(collection).toEqual({
      id: expect.any(Number),
      type: 'pinned',
      name: 'pinned',
      url: `https://sync.example.com/api/v1/collections/${collection!.id}.json`,
    });
    const page = (await owner.api.get(collection!.url)).body;
    expect(page).toMatchObject({ collection, total: 1, page: 1, limit: 50 });
    expect(page.items).toEqual([(await owner.api.get(owner.feed.received[1].item_url)).body]);
    expect((await owner.api.get('/api/v1/collections.json')).body).toEqual({
      collections: [collection],
      ...{ total: 1, page: 1, limit: 50 },
    });
    expect(page.items[0].route.user_id).toBe(item_user_id);
    for (let twice = 0; twice < 2; twice++) expect((await owner.api.delete(path)).status).toBe(204);
    expect(await owner.receive(3)).toEqual(['created', 'added', 'removed']);
    expect((await owner.api.get(collection!.url)).body.total).toBe(0);
  });

  it('of an own record that is deleted gives removed, then deleted', async () => {
    const owner = await Developer.create();
    const { id } = await owner.create();
    await owner.api.put(`${RECORDS}/${id}/pin`);
    await owner.api.delete(`${RECORDS}/${id}`);
    expect(await owner.receive(4)).toEqual(['created', 'added', 'removed', 'deleted']);
  });

  it('needs a record that the developer may read, even of an admin', async () => {
    const [owner, other] = await pair();
    const { id } = await owner.create();
    expect((await other.api.put(`${RECORDS}/${id}/pin`)).status).toBe(404);
    expect((await other.api.delete(`${RECORDS}/${id}/pin`)).status).toBe(404);
    expect((await app.admin.put(`${RECORDS}/${id}/pin`)).status).toBe(403);
    const adminOfOther = await app.developer(other.id, ['sync:admin']);
    expect((await adminOfOther.put(`${RECORDS}/${id}/pin`)).status).toBe(404);
    expect((await other.api.put(`${RECORDS}/00000000-0000-7000-8000-000000000000/pin`)).status).toBe(404);
    expect((await other.api.put(`${RECORDS}/no-uuid/pin`)).status).toBe(400);
    const reader = await app.developer(owner.id, ['sync:read']);
    expect((await reader.put(`${RECORDS}/${id}/pin`)).status).toBe(403);
  });

  it('keeps collections private', async () => {
    const [a, b] = await pair();
    const url = async (developer: Developer) =>
      (await developer.api.get('/api/v1/collections.json')).body.collections[0].url;
    expect((await a.api.get(await url(b))).status).toBe(404);
    expect((await app.admin.get(await url(b))).status).toBe(200);
    expect(
      (await app.admin.get(`/api/v1/collections.json?developerId=${b.id}`)).body.collections[0].url,
    ).toBe(await url(b));
    expect((await a.api.get(`/api/v1/collections.json?developerId=${b.id}`)).status).toBe(403);
    expect((await app.admin.get('/api/v1/collections.json')).status).toBe(403);
    for (const id of ['999999999', '0', 'x', '99999999999', '-1']) {
      expect((await a.api.get(`/api/v1/collections/${id}.json`)).status).toBe(404);
    }
    expect((await a.api.get(`${await url(a)}?limit=0`)).status).toBe(400);
  });

  it('pages a collection in the order of pinning', async () => {
    const owner = await Developer.create();
    const records = [await owner.create(), await owner.create(), await owner.create()];
    for (const index of [2, 0, 1]) await owner.api.put(`${RECORDS}/${records[index].id}/pin`);
    const { url } = (await owner.api.get('/api/v1/collections.json')).body.collections[0];
    const ids = async (query: string) =>
      (await owner.api.get(`${url}?${query}`)).body.items.map(
        (item: { route: { record_id: string } }) => item.route.record_id,
      );
    expect(await ids('limit=2')).toEqual([records[2].id, records[0].id]);
    expect(await ids('limit=2&page=2')).toEqual([records[1].id]);
    expect(await ids('limit=2&page=3')).toEqual([]);
  });
});

describe('following', () => {
  it("brings the owner's updates, each once, with the owner's id", async () => {
    const [owner, follower] = await pair();
    const record = await owner.create();
    await owner.shareWith(follower, record);
    for (let km = 2; km < 6; km++) await owner.api.patch(`${RECORDS}/${record.id}`, { data: { km } });
    expect(await follower.receive(5)).toEqual(['added', 'updated', 'updated', 'updated', 'updated']);
    const [{ item_id, item_user_id }] = (await owner.api.sync('since=1970-01-01')).body.items;
    for (const item of follower.feed.received) {
      expect(item).toMatchObject({ item_id, item_user_id, item_type: 'route' });
    }
    expect((await follower.api.get(follower.feed.received[4].item_url)).body.route.data).toEqual({ km: 5 });
    expect((await follower.api.sync('since=1970-01-01&assets=trips')).body.items).toEqual([]);
  });

  it('ends with removed when the share ends, and then tells nothing of the new state', async () => {
    const [owner, follower] = await pair();
    const record = await owner.create();
    await owner.shareWith(follower, record);
    await owner.api.delete(`${RECORDS}/${record.id}/shares/${follower.id}`);
    await owner.api.patch(`${RECORDS}/${record.id}`, { data: { secret: true } });
    expect(await follower.receive(2)).toEqual(['added', 'removed']);
    const [, removed] = follower.feed.received;
    expect(removed.collection).toMatchObject({ type: 'pinned' });
    expect(await follower.api.get(removed.item_url)).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    expect((await follower.api.get(removed.collection!.url)).body.items).toEqual([]);
  });

  it('ends with removed when the owner deletes the record', async () => {
    const [owner, follower] = await pair();
    const record = await owner.create();
    await owner.shareWith(follower, record);
    await owner.api.delete(`${RECORDS}/${record.id}`);
    expect(await follower.receive(2)).toEqual(['added', 'removed']);
    expect((await follower.api.get(follower.feed.received[1].item_url)).status).toBe(404);
  });

  it('ends quietly when the follower unpins, and starts again with added', async () => {
    const [owner, follower] = await pair();
    const record = await owner.create();
    await owner.shareWith(follower, record);
    await follower.api.delete(`${RECORDS}/${record.id}/pin`);
    await owner.api.patch(`${RECORDS}/${record.id}`, { data: { km: 2 } });
    await owner.api.delete(`${RECORDS}/${record.id}/shares/${follower.id}`);
    await owner.shareWith(follower, record);
    await owner.api.patch(`${RECORDS}/${record.id}`, { data: { km: 3 } });
    expect(await follower.receive(4)).toEqual(['added', 'removed', 'added', 'updated']);
  });

  it('is not disturbed by what happens to records that are only shared, or only pinned by others', async () => {
    const [owner, a] = await pair();
    const b = await Developer.create();
    const [first, second] = [await owner.create(), await owner.create()];
    await owner.shareWith(a, first);
    await owner.shareWith(b, second);
    await owner.api.put(`${RECORDS}/${second.id}/shares/${a.id}`);
    await owner.api.patch(`${RECORDS}/${second.id}`, { data: { km: 2 } });
    expect(await b.receive(2)).toEqual(['added', 'updated']);
    expect(await a.receive(1)).toEqual(['added']);
  });
});

describe('the example of the document', () => {
  it('is what real calls produce', async () => {
    const [user, other] = await pair();
    const pinned = await other.create('ROUTE');
    const updated = await user.create('ROUTE');
    const deleted = await user.create('ROUTE');
    const start = (await user.api.sync('since=1970-01-01')).body.meta.rwgps_datetime;
    await other.shareWith(user, pinned);
    await user.api.patch(`${RECORDS}/${updated.id}`, { data: { km: 2 } });
    await user.create('TRIP');
    await user.api.delete(`${RECORDS}/${deleted.id}`);
    const { status, body } = await user.api.sync({ since: start, assets: 'routes,trips' });
    expect(status).toBe(200);

    // Field by field as in the document; only ids, times and the host are the server's own.
    const own = body.items[1].item_user_id;
    const theirs = body.items[0].item_user_id;
    const expected = [
      { item_type: 'route', item_user_id: theirs, action: 'added' },
      { item_type: 'route', item_user_id: own, action: 'updated' },
      { item_type: 'trip', item_user_id: own, action: 'created' },
      { item_type: 'route', item_user_id: own, action: 'deleted' },
    ].map((fields, index) => {
      const { item_id, datetime }: SyncItem = body.items[index];
      return {
        ...fields,
        item_id,
        item_url: `https://sync.example.com/api/v1/${fields.item_type}s/${item_id}.json`,
        datetime,
        collection:
          fields.action === 'added'
            ? {
                id: own,
                type: 'pinned',
                name: 'pinned',
                url: `https://sync.example.com/api/v1/collections/${own}.json`,
              }
            : null,
      };
    });
    expect(body.items).toEqual(expected);
    expect(body.items.map((item: SyncItem) => Object.keys(item))).toEqual(
      body.items.map(() => [
        'item_type',
        'item_id',
        'item_user_id',
        'item_url',
        'action',
        'datetime',
        'collection',
      ]),
    );
    expect(theirs).not.toBe(own);
    const until = body.items[3].datetime.replace('Z', '+00:00');
    expect(body.meta).toEqual({
      rwgps_datetime: until,
      next_sync_url: `https://sync.example.com/api/v1/sync.json?assets=routes%2Ctrips&since=${encodeURIComponent(until)}`,
      item_count: 4,
      date_range: { since: new Date(start).toISOString(), until },
    });
  });
});
