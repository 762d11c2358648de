import { beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Api, RECORDS } from '../support/api.js';
import { until } from '../support/until.js';
import { app } from './app.js';

const KEYS = '/api/v1/api-keys';
const CLIENTS = '/api/v1/api-clients';

interface Key {
  id: string;
  key: string;
  api: Api;
  [field: string]: unknown;
}

let developers = 0;
/** A developer of each test. */
let developerId: string;
let mine: Key;
async function newDeveloper(): Promise<void> {
  developerId = `own-keys-${++developers}`;
  mine = await createKey({ name: 'laptop' });
}

async function createKey(extra: Record<string, unknown> = {}): Promise<Key> {
  const { status, body } = await app.admin.post(KEYS, {
    developerId,
    scopes: ['sync:read', 'sync:write'],
    ...extra,
  });
  if (status !== 201) throw new Error(`no key: ${status} ${JSON.stringify(body)}`);
  return { ...body, api: new Api(app.url, body.key) };
}

async function createClient(): Promise<string> {
  const { body } = await app.admin.post(CLIENTS, {
    developerId: 'vendor',
    name: 'app',
    scopes: ['sync:read', 'sync:write'],
  });
  return body.id;
}

const rotate = (api: Api, { id }: { id: string }, body: object = {}) =>
  api.post(`${KEYS}/${id}/rotate`, body);
const works = async (key: string) => (await new Api(app.url, key).get(RECORDS)).status === 200;
const shown = (key: Key) => ({ ...key, key: undefined, api: undefined });
/** As the admin sees it now. */
const find = async ({ id }: { id: string }) =>
  (await app.admin.get(`${KEYS}?developerId=${developerId}`)).body.data.find((key: Key) => key.id === id);

describe("a developer's own keys", () => {
  beforeEach(newDeveloper);

  it('are listed for it, and only they, with and without the filter', async () => {
    const second = await createKey({ scopes: ['sync:read'] });
    await createKey({ developerId: 'dev-other' });
    for (const query of ['', `?developerId=${developerId}`]) {
      const { status, body } = await second.api.get(`${KEYS}${query}`);
      expect([status, body.total]).toEqual([200, 2]);
      expect(body.data.map((key: Key) => ({ ...key, lastUsedAt: null }))).toEqual([mine, second].map(shown));
    }
    expect((await second.api.get(`${KEYS}?limit=1&page=2`)).body).toMatchObject({
      total: 2,
      data: [{ id: second.id }],
    });
    expect((await second.api.get(`${KEYS}?developerId=dev-other`)).body.code).toBe('forbidden');
    expect((await second.api.get(`${KEYS}?developerId=nobody`)).body.code).toBe('forbidden');
  });

  it('are revoked by it at once, also the one that it uses', async () => {
    const second = await createKey();
    expect((await mine.api.delete(`${KEYS}/${second.id}`)).status).toBe(204);
    expect(await works(second.key)).toBe(false);
    expect((await mine.api.delete(`${KEYS}/${mine.id}`)).status).toBe(204);
    expect(await works(mine.key)).toBe(false);
  });

  it('are not made by it', async () => {
    const { status, body } = await mine.api.post(KEYS, { developerId, scopes: ['sync:read'] });
    expect([status, body.code]).toEqual([403, 'insufficient_scope']);
  });

  it('are its own: those of others are as good as none', async () => {
    const other = await createKey({ developerId: 'dev-other' });
    for (const id of [other.id, randomUUID()]) {
      for (const answer of [await mine.api.delete(`${KEYS}/${id}`), await rotate(mine.api, { id })]) {
        expect([answer.status, answer.body]).toEqual([
          404,
          { error: 'Not found', code: 'not_found', details: `There is no API key ${id}.` },
        ]);
      }
    }
    expect(await works(other.key)).toBe(true);
  });

  it('need sync:write to be rotated or revoked, and sync:read to be listed', async () => {
    const reader = await createKey({ scopes: ['sync:read'] });
    const writer = await createKey({ scopes: ['sync:write'] });
    for (const answer of [
      await rotate(reader.api, reader),
      await reader.api.delete(`${KEYS}/${reader.id}`),
      await writer.api.get(KEYS),
    ]) {
      expect([answer.status, answer.body.code]).toEqual([403, 'insufficient_scope']);
    }
  });
});

describe('POST /api/v1/api-keys/{id}/rotate', () => {
  beforeEach(newDeveloper);

  it('answers 201 with a new key of the same kind, and both work until the overlap ends', async () => {
    const clientId = await createClient();
    const old = await createKey({
      name: 'of the app',
      scopes: ['sync:read'],
      clientId,
      expiresAt: '2100-01-01T00:00:00Z',
    });
    const { status, body } = await rotate(mine.api, old, { overlapSeconds: 2 });
    expect(status).toBe(201);
    expect(body).toEqual({
      ...old,
      api: undefined,
      id: expect.not.stringMatching(old.id),
      key: expect.stringMatching(/^tdm_[\w-]{43}$/),
      prefix: body.key.slice(0, 12),
      createdAt: expect.any(String),
    });
    expect(await Promise.all([works(old.key), works(body.key)])).toEqual([true, true]);
    expect((await find(old)).expiresAt).toBe('2100-01-01T00:00:00.000Z');
    const end = Date.parse((await find(old)).revokedAt);
    await until(async () => !(await works(old.key)));
    expect(Date.now()).toBeGreaterThanOrEqual(end);
    expect(await works(body.key)).toBe(true);
    expect(await find(body)).toMatchObject({ revokedAt: null, expiresAt: '2100-01-01T00:00:00.000Z' });
  });

  it('lets both work for a day unless told otherwise', async () => {
    const { body } = await rotate(mine.api, mine);
    const overlap = Date.parse((await find(mine)).revokedAt) - Date.parse(body.createdAt);
    expect(Math.abs(overlap - 86_400_000)).toBeLessThan(60_000);
  });

  it('ends the old key at once without an overlap', async () => {
    const { body } = await rotate(mine.api, mine, { overlapSeconds: 0 });
    expect(await Promise.all([works(mine.key), works(body.key)])).toEqual([false, true]);
  });

  it('can be repeated during the overlap, as after a lost answer: the new key is of the same kind, the end stays', async () => {
    await rotate(mine.api, mine, { overlapSeconds: 60 });
    const { revokedAt } = await find(mine);
    const { status, body } = await rotate(mine.api, mine, { overlapSeconds: 3_600 });
    expect({ status, ...body }).toMatchObject({ status: 201, expiresAt: null, revokedAt: null });
    expect((await find(mine)).revokedAt).toBe(revokedAt);
    expect((await mine.api.delete(`${KEYS}/${mine.id}`)).status).toBe(204);
    expect(await Promise.all([works(mine.key), works(body.key)])).toEqual([false, true]);
  });

  it('is refused with 409 for a key that is revoked or expired, and makes none', async () => {
    const [revoked, expired] = [await createKey(), await createKey({ expiresAt: '2100-01-01T00:00:00Z' })];
    await app.admin.delete(`${KEYS}/${revoked.id}`);
    await app.dataSource.query('UPDATE api_keys SET expires_at = now() WHERE id = $1', [expired.id]);
    for (const key of [revoked, expired]) {
      const { status, body } = await rotate(mine.api, key);
      expect([status, body.code]).toEqual([409, 'conflict']);
    }
    expect((await mine.api.get(KEYS)).body.total).toBe(3);
  });

  it('is refused with 403 by a credential that holds less than the key', async () => {
    const writer = await createKey({ scopes: ['sync:write'] });
    const admin = await createKey({ scopes: ['sync:admin'] });
    for (const [api, key] of [
      [writer.api, mine],
      [mine.api, admin],
    ] as [Api, Key][]) {
      const { status, body } = await rotate(api, key);
      expect([status, body.code]).toEqual([403, 'forbidden']);
      expect((await find(key)).revokedAt).toBeNull();
    }
    expect((await rotate(admin.api, mine)).status).toBe(201);
    expect((await rotate(app.admin, admin)).status).toBe(201);
  });

  it.each([-1, 2_592_001, 0.5, '60', null])('refuses an overlap of %j with 400', async (overlapSeconds) => {
    const { status, body } = await rotate(mine.api, mine, { overlapSeconds });
    expect(status).toBe(400);
    expect(body.details).toContain('overlapSeconds');
  });

  it('needs a good id and a body', async () => {
    expect((await rotate(mine.api, { id: '7' })).body.code).toBe('invalid_request');
    expect((await mine.api.post(`${KEYS}/${mine.id}/rotate`, '')).status).toBe(400);
  });
});

describe('an application with a key of the developer', () => {
  beforeEach(newDeveloper);

  it('cannot manage keys, not even that one: it would outlive what it was granted', async () => {
    const its = await createKey({ clientId: await createClient() });
    expect(await works(its.key)).toBe(true);
    for (const answer of [
      await its.api.get(KEYS),
      await rotate(its.api, its),
      await rotate(its.api, mine),
      await its.api.delete(`${KEYS}/${mine.id}`),
    ]) {
      expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
    }
    expect((await mine.api.get(KEYS)).body.total).toBe(2);
  });

  it("can, when it is the server's own", async () => {
    const its = await createKey({ clientId: await createClient() });
    await app.dataSource.query('UPDATE api_clients SET user_id = NULL WHERE id = $1', [its.clientId]);
    await until(async () => (await its.api.get(KEYS)).body.total === 2);
    expect((await rotate(its.api, mine)).status).toBe(201);
    expect((await its.api.delete(`${KEYS}/${mine.id}`)).status).toBe(204);
  });
});
