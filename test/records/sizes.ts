import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Api, RECORDS } from '../support/api.js';
import { openConnection } from '../support/raw-http.js';
import { until } from '../support/until.js';
import { app } from './app.js';

const MIB = 1_024 * 1_024;

const STATUSES = ['ACTIVE', 'PENDING_UPDATE', 'ERROR'];
const TYPES = ['ROUTE', 'route', 'TRIP'];

const operation = fc.oneof(
  fc.record({
    op: fc.constant('create' as const),
    type: fc.constantFrom(...TYPES),
    status: fc.constantFrom(...STATUSES),
    text: fc.string({ unit: 'grapheme', maxLength: 20 }),
  }),
  fc.record({
    op: fc.constant('update' as const),
    at: fc.nat(),
    status: fc.constantFrom(undefined, ...STATUSES),
    text: fc.option(fc.string({ unit: 'grapheme', maxLength: 20 }), { nil: undefined }),
  }),
  fc.record({ op: fc.constant('delete' as const), at: fc.nat() }),
);

describe('the size of a library', () => {
  let developers = 0;

  it('is kept exactly, by type and status, whatever is written; lists and filters show it as total', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
        const developerId = `sized-${developers++}`;
        const api = await app.developer(developerId);
        const ids: string[] = [];
        let keys = 0;
        for (const each of operations) {
          if (each.op === 'create') {
            const { type, status, text } = each;
            const input = {
              developerId,
              resourceType: type,
              resourceKey: `${keys++}`,
              status,
              data: { text },
            };
            ids.push((await api.create(input)).id);
          } else if (ids.length > 0 && each.op === 'update') {
            const { status, text } = each;
            const changes = { ...(status && { status }), ...(text !== undefined && { metadata: { text } }) };
            await api.patch(`${RECORDS}/${ids[each.at % ids.length]}`, { data: {}, ...changes });
          } else if (ids.length > 0 && each.op === 'delete') {
            await api.delete(`${RECORDS}/${ids.splice(each.at % ids.length, 1)[0]}`);
          }
        }
        const of = 'user_id = (SELECT user_id FROM developers WHERE developer_id = $1)';
        const kept = await app.dataSource.query(
          `SELECT resource_type, status, records, bytes FROM library_sizes
           WHERE ${of} AND (records, bytes) <> (0, 0) ORDER BY 1, 2`,
          [developerId],
        );
        const counted = await app.dataSource.query(
          `SELECT resource_type, status, count(*) AS records,
             sum(octet_length(data::text) + octet_length(metadata::text)) AS bytes
           FROM records WHERE ${of} GROUP BY 1, 2 ORDER BY 1, 2`,
          [developerId],
        );
        expect(kept).toEqual(counted);

        const { body: all } = await api.get(`${RECORDS}?limit=100`);
        expect(all.total).toBe(ids.length);
        for (const filter of [
          ...TYPES.map((resourceType) => ({ resourceType })),
          ...STATUSES.map((status) => ({ status })),
          { resourceType: 'ROUTE', status: 'ACTIVE' },
          { resourceType: 'ROUTE', status: 'ERROR' },
        ]) {
          const { body } = await api.get(`${RECORDS}?limit=100&${new URLSearchParams(filter)}`);
          const expected = all.data.filter((record: Record<string, unknown>) =>
            Object.entries(filter).every(([name, value]) => record[name] === value),
          );
          expect(body).toEqual({ total: expected.length, page: 1, limit: 100, data: expected });
        }
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 15 },
    );
  });
});

describe('a page of records of 1 MiB', () => {
  const list = (api: Api, query = '') => api.get(`${RECORDS}?limit=100${query}`);

  /** A developer with large records, and small ones between them. */
  async function largeLibrary(developerId: string, count = 8) {
    const api = await app.developer(developerId);
    const records = [];
    for (let n = 0; n < count; n++) {
      const data = { text: n % 2 === 0 ? 'ä'.repeat(0.49 * MIB) : 'small' };
      records.push(await api.create({ developerId, resourceType: 'BLOB', resourceKey: `blob-${n}`, data }));
    }
    return { api, records };
  }

  it('is complete, in order, and equal to the records by themselves', async () => {
    const { api, records } = await largeLibrary('large');
    const { status, headers, body } = await list(api);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(body).toEqual({ total: 8, page: 1, limit: 100, data: records });
    expect((await api.get(`${RECORDS}/${records[0].id}`)).body).toEqual(records[0]);
    expect((await list(api, '&status=ERROR')).body).toEqual({ total: 0, page: 1, limit: 100, data: [] });
  });

  it('is the same of a collection', async () => {
    const { api, records } = await largeLibrary('large-collection');
    for (const { id } of records) await api.put(`${RECORDS}/${id}/pin`);
    const { body: list } = await api.get('/api/v1/collections.json');
    const { status, body } = await api.get(new URL(list.collections[0].url).pathname);
    expect(status).toBe(200);
    expect(body.total).toBe(8);
    const texts = body.items.map((item: { blob: { data: unknown } }) => item.blob.data);
    expect(texts).toEqual(records.map(({ data }) => data));
    const pinned = await api.get('/api/v1/collections/pinned.json');
    expect(pinned.body).toEqual(body);
    expect((await api.get('/api/v1/blobs.json')).body).toEqual({
      total: 8,
      page: 1,
      limit: 50,
      items: body.items,
    });
  });

  it('that clients do not read: only the caller with too many of them waits; it goes on when they are gone', async () => {
    // 24 MiB: more than the buffers of both ends of a connection take.
    const { api } = await largeLibrary('unread', 48);
    const other = await largeLibrary('reading');
    const request = `GET ${RECORDS}?limit=100 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.key}\r\n\r\n`;
    const unread = [];
    for (let n = 0; n < 12; n++) {
      const socket = await openConnection(app.url);
      socket.pause();
      socket.write(request);
      unread.push(socket);
    }
    const waiting = list(api);
    expect((await list(other.api)).body.total).toBe(8);
    expect((await other.api.get(`${RECORDS}/${other.records[0].id}`)).status).toBe(200);
    const { status, headers, body } = await waiting;
    expect([status, headers.get('retry-after'), body.code]).toEqual([503, '5', 'service_unavailable']);
    for (const socket of unread) socket.destroy();
    await until(async () => (await list(api)).status === 200);
  }, 30_000);
});
