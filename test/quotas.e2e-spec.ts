import { expect, it } from '@jest/globals';
import { RECORDS } from './support/api.js';
import { useApp } from './support/app.js';

const app = useApp({ QUOTA_RECORDS: '3', QUOTA_BYTES: '100' });

const recordOf = (developerId: string, resourceKey: string, text = '') => ({
  developerId,
  resourceType: 'ROUTE',
  resourceKey,
  data: { text },
});

it('a developer with QUOTA_RECORDS records creates no more, until one is deleted; others do', async () => {
  const api = await app.developer('many');
  const [first] = await Promise.all(['a', 'b', 'c'].map((key) => api.create(recordOf('many', key))));
  for (const client of [api, app.admin]) {
    const { status, body } = await client.post(RECORDS, recordOf('many', 'd'));
    expect([status, body]).toEqual([
      403,
      { error: 'Quota exceeded', details: 'The library may have 3 records.', code: 'quota_exceeded' },
    ]);
  }
  expect((await (await app.developer('few')).post(RECORDS, recordOf('few', 'a'))).status).toBe(201);
  await api.delete(`${RECORDS}/${first.id}`);
  expect((await api.post(RECORDS, recordOf('many', 'd'))).status).toBe(201);
});

it('of parallel creations, exactly those within the quota succeed', async () => {
  const api = await app.developer('parallel');
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => api.post(RECORDS, recordOf('parallel', `${n}`))),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
  expect((await api.get(RECORDS)).body.total).toBe(3);
});

it('a library over QUOTA_BYTES shrinks, but does not grow', async () => {
  const api = await app.developer('big');
  // {"text":"…"} and {}: 13 bytes and the text.
  const { id } = await api.create(recordOf('big', 'a', 'x'.repeat(80)));
  const update = (text: string) => api.patch(`${RECORDS}/${id}`, { data: { text } });
  expect((await update('x'.repeat(87))).status).toBe(200);
  const { status, body } = await update('x'.repeat(88));
  expect([status, body.code, body.details]).toEqual([
    403,
    'quota_exceeded',
    'The library may have 100 bytes.',
  ]);
  expect((await update('ä'.repeat(44))).status).toBe(403);
  expect((await api.post(RECORDS, recordOf('big', 'b'))).status).toBe(403);
  expect((await update('x'.repeat(50))).status).toBe(200);
  expect((await api.post(RECORDS, recordOf('big', 'b'))).status).toBe(201);
});
