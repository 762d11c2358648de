import { describe, expect, it } from '@jest/globals';
import { app } from './app.js';

const CURRENT = '/api/v1/users/current.json';
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const put = (developerId: string, body: unknown) =>
  app.admin.request('PUT', `/api/v1/developers/${encodeURIComponent(developerId)}`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('GET /api/v1/users/current.json', () => {
  it('says who the developer of the credential is: by its developerId while it has no name', async () => {
    const dev = await app.developer('dev-1');
    const { status, body } = await dev.get(CURRENT);
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        user: {
          id: expect.any(Number),
          developer_id: 'dev-1',
          name: 'dev-1',
          created_at: expect.stringMatching(ISO),
          updated_at: body.user.created_at,
        },
      },
    });
  });

  it('has the id that the feed has, and the name that an admin has set', async () => {
    const dev = await app.developer('dev-2');
    await dev.create({ developerId: 'dev-2', resourceType: 'ROUTE', resourceKey: '1', data: {} });
    const [item] = (await dev.sync('since=1970-01-01')).body.items;
    const before = (await dev.get(CURRENT)).body.user;
    const { body } = await put('dev-2', { name: 'Ada Lovelace' });
    expect((await dev.get(CURRENT)).body.user).toEqual({
      ...before,
      id: item.item_user_id,
      name: 'Ada Lovelace',
      updated_at: body.updatedAt,
    });
    expect(Date.parse(body.updatedAt)).toBeGreaterThanOrEqual(Date.parse(before.created_at));
  });

  it('is refused to the admin key of the settings, which belongs to no developer', async () => {
    const { status, body } = await app.admin.get(CURRENT);
    expect([status, body.code]).toEqual([403, 'forbidden']);
    const admin = await app.developer('dev-admin', ['sync:admin']);
    expect((await admin.get(CURRENT)).body.user.developer_id).toBe('dev-admin');
  });
});

describe('PUT /api/v1/developers/{developerId}', () => {
  it('creates a developer, names it, and takes the name back', async () => {
    const created = await put('dev/new ü', { name: 'New' });
    expect(created).toMatchObject({
      status: 200,
      body: {
        developerId: 'dev/new ü',
        name: 'New',
        createdAt: expect.stringMatching(ISO),
        updatedAt: expect.stringMatching(ISO),
      },
    });
    const { status, body } = await put('dev/new ü', { name: null });
    expect({ status, body }).toEqual({
      status: 200,
      body: { ...created.body, name: null, updatedAt: expect.stringMatching(ISO) },
    });
    const dev = await app.developer('dev/new ü');
    expect((await dev.get(CURRENT)).body.user.name).toBe('dev/new ü');
  });

  it('leaves the feed alone', async () => {
    const dev = await app.developer('dev-quiet');
    const { headers } = await dev.sync('since=1970-01-01');
    await put('dev-quiet', { name: 'Quiet' });
    expect((await dev.sync('since=1970-01-01')).headers.get('etag')).toBe(headers.get('etag'));
  });

  it.each<[unknown, string]>([
    [{}, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 'x'.repeat(256) }, 'name'],
    [{ name: 7 }, 'name'],
    [{ name: 'x', developerId: 'dev-9' }, 'developerId'],
  ])('refuses %j with 400 and names the field', async (body, field) => {
    const answer = await put('dev-refused', body);
    expect(answer.status).toBe(400);
    expect(answer.body.details).toContain(field);
  });

  it('refuses a name in the URL that PostgreSQL cannot hold, or that is too long', async () => {
    for (const developerId of ['a\0', 'x'.repeat(256)]) {
      expect((await put(developerId, { name: 'x' })).body.code).toBe('invalid_request');
    }
    expect(await app.dataSource.query(`SELECT FROM developers WHERE developer_id = 'dev-refused'`)).toEqual(
      [],
    );
  });
});
