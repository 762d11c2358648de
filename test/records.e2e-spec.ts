import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Api, RECORDS, type RecordInput } from './support/api.js';
import { startApp, type TestApp } from './support/server.js';

let app: TestApp;
let dev: Api;

beforeAll(async () => {
  app = await startApp();
  dev = await app.developer('dev-789');
});
afterAll(() => app.close());

let keys = 0;
const input = (extra: Partial<RecordInput> = {}): RecordInput => ({
  developerId: 'dev-789',
  resourceType: 'FEATURE_FLAG_STATE',
  resourceKey: `flag-${++keys}`,
  data: { enabled: false, lastToggle: '2025-12-01T11:00:00Z', notes: 'Initial state for migration flag.' },
  ...extra,
});

describe('POST creates', () => {
  it('answers 201 with the whole record, its Location and its ETag', async () => {
    const body = input();
    const answer = await dev.post(RECORDS, body);
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      ...body,
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      status: 'ACTIVE',
      metadata: {},
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: answer.body.createdAt,
      lastSyncedAt: answer.body.createdAt,
    });
    expect(answer.headers.get('location')).toBe(`${app.url}${RECORDS}/${answer.body.id}`);
    const fetched = await dev.get(answer.headers.get('location')!);
    expect(fetched.body).toEqual(answer.body);
    expect(fetched.headers.get('etag')).toBe(answer.headers.get('etag'));
  });
});
