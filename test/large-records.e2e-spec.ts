import { expect, it } from '@jest/globals';
import { RECORDS } from './support/api.js';
import { useApp } from './support/app.js';

const MIB = 1_024 * 1_024;

const app = useApp({ BODY_LIMIT: String(8 * MIB) });

it('a record as large as BODY_LIMIT allows is read, although it takes more than the share of its caller', async () => {
  const api = await app.developer('large');
  const data = { text: 'x'.repeat(7 * MIB) };
  const record = await api.create({ developerId: 'large', resourceType: 'BLOB', resourceKey: 'one', data });
  await api.create({ developerId: 'large', resourceType: 'BLOB', resourceKey: 'two', data: {} });
  expect((await api.get(`${RECORDS}/${record.id}`)).body).toEqual(record);
  const { status, body } = await api.get(RECORDS);
  expect([status, body.total, body.data[0]]).toEqual([200, 2, record]);
  expect((await api.patch(`${RECORDS}/${record.id}`, { metadata: { a: 1 } })).status).toBe(200);
}, 60_000);
