import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Answer, type Api, RECORDS, type RecordInput } from '../support/api.js';
import { expectError } from '../support/errors.js';
import type { SyncItem } from '../support/sync-client.js';
import { app } from './app.js';

const UNKNOWN_ID = '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d';
const DATETIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let dev: Api;
let other: Api;

beforeAll(async () => {
  dev = await app.developer('dev-789');
  other = await app.developer('other');
});

let keys = 0;
const input = (extra: Partial<RecordInput> = {}): RecordInput => ({
  developerId: 'dev-789',
  resourceType: 'FEATURE_FLAG_STATE',
  resourceKey: `flag-${++keys}`,
  data: { enabled: false, lastToggle: '2025-12-01T11:00:00Z', notes: 'Initial state for migration flag.' },
  ...extra,
});

const pathOf = (record: { id: string }) => `${RECORDS}/${record.id}`;
const etagOf = (answer: Answer) => answer.headers.get('etag')!;

/** A new record, its URL and its ETag. */
async function created(extra: Partial<RecordInput> = {}) {
  const answer = await dev.post(RECORDS, input(extra));
  expect(answer.status).toBe(201);
  return { record: answer.body, path: pathOf(answer.body), etag: etagOf(answer) };
}

/** The changes that the feed of a developer tells of after a datetime. */
async function changesSince(since: string, api = dev): Promise<SyncItem[]> {
  return (await api.sync({ since })).body.items;
}

/** The datetime after which the first change is the one of this datetime. */
const justBefore = (datetime: string) => new Date(Date.parse(datetime) - 1).toISOString();

/** `depth` containers inside each other, by turns objects and arrays: `{"a":[{"a":[]}]}` is 4. */
const nested = (depth: number): Record<string, unknown> =>
  Array.from({ length: depth }).reduce<unknown>(
    (inner, _, i) => ((depth - i) % 2 ? { a: inner } : [inner]),
    1,
  ) as Record<string, unknown>;

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
      createdAt: expect.stringMatching(DATETIME),
      updatedAt: answer.body.createdAt,
      lastSyncedAt: answer.body.createdAt,
    });
    expect(answer.headers.get('location')).toBe(`${app.url}${RECORDS}/${answer.body.id}`);
    expect(etagOf(answer)).toMatch(/^"[^"]+"$/);
    const fetched = await dev.get(answer.headers.get('location')!);
    expect(fetched.status).toBe(200);
    expect(fetched.body).toEqual(answer.body);
    expect(etagOf(fetched)).toBe(etagOf(answer));
  });

  it.each(['ACTIVE', 'PENDING_UPDATE', 'PENDING_SYNC_CONFIRMATION', 'ERROR'])(
    'takes status %s',
    async (status) => {
      const { record } = await created({ status, metadata: { source: 'test' } });
      expect(record).toMatchObject({ status, metadata: { source: 'test' } });
    },
  );

  it('lets an admin write for any developer, known or not', async () => {
    const body = input({ developerId: 'never seen before' });
    const { id } = await app.admin.create(body);
    expect((await app.admin.get(`${RECORDS}/${id}`)).body).toMatchObject(body);
  });

  it('refuses to write for another developer', async () => {
    expectError(await other.post(RECORDS, input()), 403, 'forbidden');
  });

  const max = 'x'.repeat(255);
  const emoji = '😀'.repeat(255);
  it.each([
    ['developerId of 255 characters', { developerId: max }],
    ['developerId of 255 characters beyond the BMP', { developerId: emoji }],
    ['resourceKey of 1 character', { resourceKey: ' ' }],
    ['resourceKey of 255 characters', { resourceKey: max }],
    ['resourceKey of 255 characters beyond the BMP', { resourceKey: emoji }],
    ['resourceType of 1 letter', { resourceType: 'a' }],
    ['resourceType of 64 characters', { resourceType: `R${'_'.repeat(61)}-9` }],
    ['resourceType in lower case', { resourceType: 'route' }],
    ['resourceType called like a member of every object', { resourceType: 'constructor' }],
    ['empty data', { data: {} }],
    ['data nested 100 levels deep', { data: nested(100) }],
    ['metadata nested 100 levels deep', { metadata: nested(100) }],
    ['metadata of 1,024 bytes', { metadata: { a: 'x'.repeat(1024 - 8) } }],
    [
      'metadata of 1,024 bytes in multi-byte characters',
      { metadata: { a: 'ä€😀!!!'.repeat(84) + 'xxxxxxxx' } },
    ],
  ])('allows %s', async (_name, extra: Partial<RecordInput>) => {
    const body = input(extra);
    expect(await app.admin.create(body)).toMatchObject(body);
  });

  it('counts metadata as compact UTF-8 JSON, however it was written', async () => {
    const metadata = ` { "a" : "${'\\u0041'.repeat(1024 - 8)}" } `;
    const body = JSON.stringify(input()).replace(/}$/, `,"metadata":${metadata}}`);
    expect((await dev.post(RECORDS, body)).status).toBe(201);
  });

  it('names all missing fields at once', async () => {
    const answer = await dev.post(RECORDS, {});
    expectError(answer, 400, 'invalid_request', 'developerId', 'resourceType', 'resourceKey', 'data');
    expect(answer.body.details).not.toMatch(/status|metadata/);
  });

  it.each(['developerId', 'resourceType', 'resourceKey', 'data'])('requires %s', async (field) => {
    const answer = await dev.post(RECORDS, { ...input(), [field]: undefined });
    expectError(answer, 400, 'invalid_request');
    expect(answer.body.details).toBe(`${field} is required`);
  });

  it('does not answer a body of 50,000 unknown fields with all their names', async () => {
    const body = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`field${n}`, 1]));
    const answer = await dev.post(RECORDS, body);
    expect(answer.status).toBe(400);
    expect(answer.body.details.length).toBeLessThan(2_100);
  });

  it('names all unknown and read-only fields at once', async () => {
    const readOnly = { id: UNKNOWN_ID, createdAt: '', updatedAt: '', lastSyncedAt: null };
    const answer = await dev.post(RECORDS, { ...input(), ...readOnly, color: 1, data: undefined });
    expectError(answer, 400, 'invalid_request', 'data is required', 'color', ...Object.keys(readOnly));
  });

  it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', ''])(
    'refuses an unknown field called "%s"',
    async (field) => {
      const body = JSON.stringify(input()).replace(/}$/, `,${JSON.stringify(field)}:{}}`);
      expectError(
        await dev.post(RECORDS, body),
        400,
        'invalid_request',
        `property ${field} should not exist`,
      );
    },
  );

  it.each<[string, Record<string, unknown>]>([
    ['developerId', { developerId: '' }],
    ['developerId', { developerId: 1 }],
    ['developerId', { developerId: null }],
    ['developerId', { developerId: ['dev-789'] }],
    ['developerId', { developerId: `${max}x` }],
    ['developerId', { developerId: `${emoji}x` }],
    ['resourceKey', { resourceKey: '' }],
    ['resourceKey', { resourceKey: 1 }],
    ['resourceKey', { resourceKey: null }],
    ['resourceKey', { resourceKey: {} }],
    ['resourceKey', { resourceKey: `${max}x` }],
    ['resourceKey', { resourceKey: '😀'.repeat(256) }],
    ...[
      '',
      '1ROUTE',
      '_ROUTE',
      'RO UTE',
      'ROUTE\n',
      'RÖUTE',
      'a.b',
      'a/b',
      'x'.repeat(65),
      1,
      null,
      ['ROUTE'],
    ].map((resourceType) => ['resourceType', { resourceType }] as [string, Record<string, unknown>]),
    ...['collections', 'COLLECTION', 'users', 'User', 'sync', 'SYNC', 'api-keys', 'Api-Key', 'health'].map(
      (resourceType) => ['resourceType', { resourceType }] as [string, Record<string, unknown>],
    ),
    ...[null, [], [{}], 'text', 1, true].map(
      (data) => ['data', { data }] as [string, Record<string, unknown>],
    ),
    ...[null, [], [{}], 'text', 1, true].map(
      (metadata) => ['metadata', { metadata }] as [string, Record<string, unknown>],
    ),
    ['metadata', { metadata: { a: 'x'.repeat(1025 - 8) } }],
    ['metadata', { metadata: { a: '😀'.repeat(254) + 'x' } }],
    ...['active', 'DONE', '', null, 1, ['ACTIVE'], {}].map(
      (status) => ['status', { status }] as [string, Record<string, unknown>],
    ),
  ])('refuses a bad %s: %j', async (field, extra) => {
    expectError(await app.admin.post(RECORDS, { ...input(), ...extra }), 400, 'invalid_request', field);
  });

  it('names all bad fields at once', async () => {
    const bad = {
      developerId: '',
      resourceType: 'sync',
      resourceKey: 1,
      data: [],
      status: 'DONE',
      metadata: null,
    };
    expectError(await dev.post(RECORDS, bad), 400, 'invalid_request', ...Object.keys(bad));
  });
});

describe('a body', () => {
  const withData = (data: string) =>
    JSON.stringify(input({ data: {} })).replace('"data":{}', () => `"data":${data}`);

  it.each([
    ['a NUL in a string', withData('{"a":"\\u0000"}')],
    ['a NUL in a key', withData('{"\\u0000":1}')],
    ['a NUL deep inside', withData('{"a":[[{"b":["x\\u0000"]}]]}')],
    ['a NUL in resourceKey', JSON.stringify(input({ resourceKey: 'a\0' }))],
    ['a NUL in a field name', JSON.stringify({ ...input(), 'a\0': 1 })],
    ['a lone high surrogate', withData('{"a":"\\ud83d"}')],
    ['a lone low surrogate', withData('{"a":"\\ude00"}')],
    ['surrogates in the wrong order', withData('{"a":"\\ude00\\ud83d"}')],
    ['a lone surrogate in a key', withData('{"\\ud83d":1}')],
    ['a lone surrogate in metadata', JSON.stringify(input({ metadata: { a: '\ud83d' } }))],
    ['data nested 101 levels deep', JSON.stringify(input({ data: nested(101) }))],
    ['metadata nested 101 levels deep', JSON.stringify(input({ metadata: nested(101) }))],
    ['data nested 100,000 levels deep', withData('{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000))],
    ['2^53 + 1', withData('{"a":9007199254740993}')],
    ['a number of 20 digits', withData('{"a":0.12345678901234567890}')],
    ['an overflowing number', withData('{"a":1e400}')],
    ['an underflowing number', withData('{"a":1e-400}')],
    ['a repeated key', withData('{"a":1,"a":2}')],
    ['a repeated key with the same value', withData('{"a":1,"a":1}')],
    ['a repeated key, written differently', withData('{"a":[],"\\u0061":{}}')],
    ['a repeated field', withData('{},"data":{"b":1}')],
    ['an empty text', ' '],
    ['two values', '{} {}'],
    ['a half', '{"developerId":'],
    ['a trailing comma', withData('{"a":1,}')],
    ['a comment', withData('{} /* data */')],
    ['single quotes', "{'a':1}"],
    ['NaN', withData('{"a":NaN}')],
    ['a leading zero', withData('{"a":01}')],
    ['a raw line break in a string', withData('{"a":"\n"}')],
    ['a byte order mark inside', withData('\ufeff{}')],
  ])('with %s is refused', async (_name, body) => {
    expectError(await dev.post(RECORDS, body), 400, 'invalid_json');
  });

  it.each([
    ['overlong', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['Latin-1', [0xe4]],
    ['cut off', [0xf0, 0x9f, 0x98]],
  ])('with bytes that are no UTF-8 (%s) is refused', async (_name, bytes) => {
    const [start, end] = withData('{"a":"?"}').split('?');
    const body = Buffer.concat([Buffer.from(start), Buffer.from(bytes), Buffer.from(end)]);
    const headers = { 'content-type': 'application/json' };
    expectError(await dev.request('POST', RECORDS, { headers, body }), 400, 'invalid_json', 'UTF-8');
  });

  it.each(['[]', '[{}]', 'null', 'true', '1', '"text"', ''])('must be an object, not %j', async (body) => {
    const { path } = await created();
    expectError(await dev.post(RECORDS, body), 400, 'invalid_request', 'JSON object');
    expectError(await dev.patch(path, body), 400, 'invalid_request', 'JSON object');
  });

  it.each([
    'text/plain',
    'text/json',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application',
    'x',
  ])('of type %s is refused with 415', async (type) => {
    const { path } = await created();
    const headers = { 'content-type': type };
    expectError(await dev.post(RECORDS, input(), headers), 415, 'unsupported_media_type');
    expectError(await dev.patch(path, {}, headers), 415, 'unsupported_media_type');
  });

  it('without a type is refused with 415', async () => {
    const body = Buffer.from(JSON.stringify(input()));
    expectError(await dev.request('POST', RECORDS, { body }), 415, 'unsupported_media_type');
  });

  it.each(['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;charset="UTF-8"'])(
    'of type %s is taken',
    async (type) => {
      expect((await dev.post(RECORDS, input(), { 'content-type': type })).status).toBe(201);
    },
  );

  it('that is missing is refused with 400', async () => {
    const { path } = await created();
    expectError(await dev.request('POST', RECORDS), 400, 'invalid_request');
    expectError(await dev.request('PATCH', path), 400, 'invalid_request');
  });

  it('may have exactly 1 MiB, and one byte more is 413', async () => {
    const body = JSON.stringify(input({ data: { pad: '' } }));
    const padded = (size: number) => body.replace('"pad":""', `"pad":"${'x'.repeat(size - body.length)}"`);
    expect((await dev.post(RECORDS, padded(1024 * 1024))).status).toBe(201);
    expectError(await dev.post(RECORDS, padded(1024 * 1024 + 1)), 413, 'payload_too_large');
  });
});

describe('JSON comes back as it was sent', () => {
  const key = fc.oneof(
    fc.constantFrom(
      '__proto__',
      'constructor',
      'prototype',
      'toJSON',
      'then',
      'hasOwnProperty',
      'toString',
      'valueOf',
      'equals',
      'length',
      '0',
      '-1',
      '',
      'a.b',
    ),
    fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0')),
  );
  const json = (arbitrary: fc.Arbitrary<unknown>) => arbitrary.map((value) => JSON.stringify(value));
  /** JSON texts, because an object literal of JavaScript cannot have a member called `__proto__`. */
  const { object } = fc.letrec<{ value: string; object: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      json(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger())),
      json(key),
      json(fc.jsonValue({ maxDepth: 2 })),
      fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items}]`),
      tie('object'),
    ),
    object: fc
      .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 5, selector: ([name]) => name })
      .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`)}}`),
  }));

  it('from POST, GET, list, item page and PATCH alike, whatever it is', async () => {
    const text = (value: unknown) => JSON.stringify(value);
    await fc.assert(
      fc.asyncProperty(object, object, async (first, second) => {
        const expected = [text(JSON.parse(first)), text(JSON.parse(second))];
        const body = JSON.stringify(input({ data: {} })).replace('"data":{}', () => `"data":${first}`);
        const posted = await dev.post(RECORDS, body);
        expect(posted.status).toBe(201);
        const path = pathOf(posted.body);
        const [change] = await changesSince(justBefore(posted.body.createdAt));
        const item = (await dev.get(change.item_url)).body.feature_flag_state;
        const fetched = await dev.get(path);
        expect([posted.body, fetched.body, item].map(({ data }) => text(data))).toEqual(
          Array(3).fill(expected[0]),
        );

        // The same again is no change, and another one is exactly that.
        const same = await dev.patch(path, `{"data":${first}}`);
        expect([same.status, etagOf(same)]).toEqual([200, etagOf(posted)]);
        const patched = await dev.patch(path, `{"data":${second}}`);
        expect([patched.status, text(patched.body.data)]).toEqual([200, expected[1]]);
        expect(text((await dev.get(path)).body.data)).toBe(expected[1]);
        expect((await dev.delete(path)).status).toBe(204);
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 60 },
    );
  });

  it.each([
    '0',
    '-1',
    '1.5',
    '0.1',
    '1e-7',
    '5e-324',
    '1.7976931348623157e+308',
    '2.2250738585072014e-308',
    '9007199254740991',
    '9007199254740992',
    '-9007199254740992',
    '0.30000000000000004',
    '123456789012345680000',
    '1e+21',
  ])('number %s', async (number) => {
    const response = await fetch(app.url + RECORDS, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${dev.key}` },
      body: JSON.stringify(input({ data: { n: '?' } })).replace('"?"', number),
    });
    expect(await response.text()).toContain(`"data":{"n":${number}}`);
  });

  it.each([
    ['-0', '0'],
    ['-0.0', '0'],
    ['1.0', '1'],
    ['1E2', '100'],
    ['0.10000000000000001', '0.1'],
  ])('number %s as its equal %s', async (sent, got) => {
    const answer = await dev.post(RECORDS, JSON.stringify(input({ data: { n: '?' } })).replace('"?"', sent));
    expect(Object.is(answer.body.data.n, Number(got))).toBe(true);
  });

  it('of -0 for a 0: it changes nothing', async () => {
    const { record, path } = await created({ data: { n: 0 } });
    const { updatedAt } = (
      await dev.request('PATCH', path, {
        headers: { 'content-type': 'application/json' },
        body: '{"data":{"n":-0}}',
      })
    ).body;
    expect(updatedAt).toBe(record.updatedAt);
  });

  it('in the same text from POST, GET and the list', async () => {
    const text = async (path: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${dev.key}`, 'content-type': 'application/json' };
      return (await fetch(app.url + path, { ...init, headers })).text();
    };
    const resourceKey = `"\\/\b\t\u0001\u007f\u2028ä😀<${++keys}`;
    const data = { b: [1e21, 0.1, -5, null, true], '\u0001"': {}, a: resourceKey, 9007199254740991: [] };
    const body = JSON.stringify(input({ resourceType: 'TEXT', resourceKey, data, status: 'ERROR' }));
    const posted = await text(RECORDS, { method: 'POST', body });
    expect(await text(`${RECORDS}/${JSON.parse(posted).id}`)).toBe(posted);
    expect(await text(`${RECORDS}?resourceType=TEXT`)).toBe(
      `{"total":1,"page":1,"limit":50,"data":[${posted}]}`,
    );
  });

  it('with its keys in the order in which they were sent', async () => {
    const data = { z: 1, a: 2, M: { y: 1, b: 2 } };
    const { path } = await created({ data, metadata: { z: 1, a: 2 } });
    const { body } = await dev.get(path);
    expect(JSON.stringify(body.data)).toBe(JSON.stringify(data));
    expect(JSON.stringify(body.metadata)).toBe('{"z":1,"a":2}');
  });
});

describe('a key that exists', () => {
  it('is a 409 for the same developer only', async () => {
    const body = input();
    const { id } = await dev.create(body);
    expectError(await dev.post(RECORDS, { ...body, data: {} }), 409, 'conflict');
    expect((await dev.get(`${RECORDS}/${id}`)).body.data).toEqual(body.data);
    await other.create({ ...body, developerId: 'other' });
    await dev.create({ ...body, resourceType: 'ROUTE' });
    await dev.create({ ...body, resourceType: body.resourceType.toLowerCase() });
    await dev.create({ ...body, resourceKey: body.resourceKey.toUpperCase() });
  });

  it('leaves no trace of the refused POST in the feed', async () => {
    const body = input();
    const { createdAt } = await dev.create(body);
    expect((await dev.post(RECORDS, body)).status).toBe(409);
    expect(await changesSince(createdAt)).toEqual([]);
  });

  it('is created exactly once by 50 parallel POSTs, with one event', async () => {
    const api = await app.developer('racer');
    const body = input({ developerId: 'racer' });
    const answers = await Promise.all(Array.from({ length: 50 }, () => api.post(RECORDS, body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(49).fill(409)]);
    expect(await changesSince('1970-01-01', api)).toHaveLength(1);
  });

  it('is created exactly once by 20 parallel POSTs for a developer that is new', async () => {
    const body = input({ developerId: 'new racer' });
    const answers = await Promise.all(Array.from({ length: 20 }, () => app.admin.post(RECORDS, body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(19).fill(409)]);
  });

  it('can be created again after a DELETE, as a new record', async () => {
    const body = input();
    const first = await dev.create(body);
    expect((await dev.delete(pathOf(first))).status).toBe(204);
    const second = await dev.create(body);
    expect(second.id).not.toBe(first.id);
    expect((await dev.get(pathOf(first))).status).toBe(404);
    expect((await dev.get(pathOf(second))).body).toEqual(second);
  });
});

describe('PATCH', () => {
  it.each<[string, object]>([
    ['data', { data: { new: true } }],
    ['status', { status: 'ERROR' }],
    ['metadata', { metadata: { new: true } }],
    ['data', { data: {} }],
    ['metadata', { metadata: {} }],
  ])('replaces %s and changes nothing else: %j', async (field, patch) => {
    const { record, path, etag } = await created({ metadata: { old: true } });
    const answer = await dev.patch(path, patch);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      ...record,
      ...patch,
      updatedAt: expect.stringMatching(DATETIME),
      lastSyncedAt: field === 'status' ? record.lastSyncedAt : answer.body.updatedAt,
    });
    expect(answer.body.updatedAt > record.updatedAt).toBe(true);
    expect(etagOf(answer)).not.toBe(etag);
    const fetched = await dev.get(path);
    expect(fetched.body).toEqual(answer.body);
    expect(etagOf(fetched)).toBe(etagOf(answer));
    expect(await changesSince(record.updatedAt)).toMatchObject([{ action: 'updated' }]);
  });

  it.each([
    ['says nothing', {}],
    [
      'says what is',
      { data: { b: { c: 1, d: [1, 2] }, a: 'x' }, status: 'ACTIVE', metadata: { x: 1, y: 2 } },
    ],
    ['says it in another order', { data: { a: 'x', b: { d: [1, 2], c: 1 } }, metadata: { y: 2, x: 1 } }],
  ])('that %s is 200, without an event and with the same updatedAt', async (_name, patch) => {
    const { record, path, etag } = await created({
      data: { b: { c: 1, d: [1, 2] }, a: 'x' },
      metadata: { x: 1, y: 2 },
    });
    const answer = await dev.patch(path, patch);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(record);
    expect(etagOf(answer)).toBe(etag);
    expect((await dev.get(path)).body).toEqual(record);
    expect(await changesSince(record.updatedAt)).toEqual([]);
  });

  it.each<[unknown, unknown]>([
    [1, '1'],
    [0, false],
    [null, {}],
    [[], {}],
    [
      [1, 2],
      [2, 1],
    ],
    [{ a: null }, {}],
    [{ hasOwnProperty: 1 }, { hasOwnProperty: 2 }],
    [{ constructor: {} }, { constructor: [] }],
    [0.1, 0.10000000000000002],
  ])('from %j to %j is a change', async (before, after) => {
    const { record, path } = await created({ data: { value: before } });
    const { status, body } = await dev.patch(path, { data: { value: after } });
    expect(status).toBe(200);
    expect(body.data).toEqual({ value: after });
    expect(await changesSince(record.updatedAt)).toHaveLength(1);
  });

  it.each<[string, unknown]>([
    ['id', UNKNOWN_ID],
    ['developerId', 'dev-789'],
    ['resourceType', 'ROUTE'],
    ['resourceKey', 'x'],
    ['createdAt', '2025-12-01T11:00:00Z'],
    ['updatedAt', '2025-12-01T11:00:00Z'],
    ['lastSyncedAt', null],
    ['color', 'red'],
  ])('names %s, which it cannot change', async (field, value) => {
    const { record, path } = await created();
    const answer = await dev.patch(path, { status: 'ERROR', [field]: value });
    expectError(answer, 400, 'invalid_request', `property ${field} should not exist`);
    expect((await dev.get(path)).body).toEqual(record);
  });

  it.each<object>([
    { data: null },
    { data: [] },
    { metadata: 'x' },
    { metadata: null },
    { metadata: { a: 'x'.repeat(1025 - 8) } },
    { status: 'active' },
    { status: null },
  ])('refuses %j', async (patch) => {
    const { path } = await created();
    expectError(await dev.patch(path, patch), 400, 'invalid_request', Object.keys(patch)[0]);
  });

  it('keeps both of two parallel changes to different fields', async () => {
    for (let i = 0; i < 10; i++) {
      const { path } = await created();
      const answers = await Promise.all([
        dev.patch(path, { data: { i } }),
        dev.patch(path, { metadata: { i } }),
        dev.patch(path, { status: 'ERROR' }),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect((await dev.get(path)).body).toMatchObject({ data: { i }, metadata: { i }, status: 'ERROR' });
    }
  });
});

describe('lastSyncedAt', () => {
  it('is the time of the last write that left the record ACTIVE, and null until then', async () => {
    const { record, path } = await created({ status: 'PENDING_UPDATE' });
    expect(record.lastSyncedAt).toBeNull();
    const patch = async (body: object) => (await dev.patch(path, body)).body;

    expect((await patch({ data: { n: 1 } })).lastSyncedAt).toBeNull();
    const activated = await patch({ status: 'ACTIVE' });
    expect(activated.lastSyncedAt).toBe(activated.updatedAt);
    const written = await patch({ metadata: { n: 1 } });
    expect(written.lastSyncedAt).toBe(written.updatedAt);
    expect(written.lastSyncedAt > activated.lastSyncedAt).toBe(true);
    for (const status of ['ERROR', 'PENDING_UPDATE', 'PENDING_SYNC_CONFIRMATION']) {
      const left = await patch({ status });
      expect(left.updatedAt > written.updatedAt).toBe(true);
      expect(left.lastSyncedAt).toBe(written.lastSyncedAt);
    }
    // A write that changes nothing is none.
    const again = await patch({ status: 'ACTIVE' });
    expect(await patch({ status: 'ACTIVE' })).toEqual(again);
  });
});

describe('DELETE', () => {
  it('answers 204 without a body; then the record is gone and the feed says so', async () => {
    const { record, path } = await created();
    const answer = await dev.delete(path);
    expect([answer.status, answer.body]).toEqual([204, '']);
    for (const method of ['GET', 'DELETE']) {
      expectError(await dev.request(method, path), 404, 'not_found', record.id);
    }
    expectError(await dev.patch(path, {}), 404, 'not_found', record.id);
    expect(await changesSince(record.updatedAt)).toMatchObject([{ action: 'deleted' }]);
  });

  it('succeeds exactly once of ten in parallel, with one event', async () => {
    const { record, path } = await created();
    const answers = await Promise.all(Array.from({ length: 10 }, () => dev.delete(path)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array<number>(9).fill(404)]);
    expect(await changesSince(record.updatedAt)).toHaveLength(1);
  });
});

describe('the id in the URL', () => {
  const send = (method: string, path: string, api = dev) =>
    method === 'PATCH' ? api.patch(path, {}) : api.request(method, path);

  describe.each(['GET', 'PATCH', 'DELETE'])('of %s', (method) => {
    it.each([
      '1',
      'x',
      UNKNOWN_ID.slice(1),
      `${UNKNOWN_ID}0`,
      `{${UNKNOWN_ID}}`,
      UNKNOWN_ID.replaceAll('-', ''),
      '%00',
    ])('that is no UUID is 400: %s', async (id) => {
      expectError(await send(method, `${RECORDS}/${id}`), 400, 'invalid_request', 'UUID');
    });

    it('that is unknown is 404', async () => {
      expectError(await send(method, `${RECORDS}/${UNKNOWN_ID}`), 404, 'not_found', UNKNOWN_ID);
      expectError(await send(method, `${RECORDS}/${UNKNOWN_ID}`, app.admin), 404, 'not_found', UNKNOWN_ID);
    });

    it("that is another developer's is 403, and an admin's is not", async () => {
      const { record, path } = await created();
      expectError(await send(method, path, other), 403, 'forbidden', record.id);
      expect((await dev.get(path)).body).toEqual(record);
      expect((await send(method, path, app.admin)).status).toBe(method === 'DELETE' ? 204 : 200);
    });

    it('may be in upper case', async () => {
      const { record } = await created();
      expect((await send(method, `${RECORDS}/${record.id.toUpperCase()}`)).status).toBeLessThan(300);
    });
  });
});

describe('the list', () => {
  let api: Api;
  let all: { id: string }[];
  const list = (query: string, by = api) => by.get(`${RECORDS}?${query}`);

  beforeAll(async () => {
    api = await app.developer('lister');
    all = [];
    for (let i = 0; i < 7; i++) {
      all.push(
        await api.create(
          input({
            developerId: 'lister',
            resourceType: i % 2 ? 'ROUTE' : 'TRIP',
            status: i % 3 ? 'ACTIVE' : 'ERROR',
          }),
        ),
      );
    }
  });

  it("has the caller's own records, whole and in order of creation, 50 a page", async () => {
    // A later write does not move a record.
    all[0] = (await api.patch(pathOf(all[0]), { metadata: { moved: false } })).body;
    const answer = await api.get(RECORDS);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ total: 7, page: 1, limit: 50, data: all });
    expect((await list('developerId=lister')).body).toEqual(answer.body);
  });

  it.each([
    ['resourceType=ROUTE', [1, 3, 5]],
    ['status=ERROR', [0, 3, 6]],
    ['resourceType=ROUTE&status=ERROR', [3]],
    ['status=PENDING_UPDATE', []],
    ['resourceType=route', []],
    ['resourceType=NONE', []],
    ['developerId=lister&resourceType=TRIP&status=ACTIVE', [2, 4]],
  ])('filters by %s', async (query, expected) => {
    const { body } = await list(query);
    expect(body.total).toBe(expected.length);
    expect(body.data).toEqual(expected.map((i) => all[i]));
  });

  it('comes in pages, with the exact total on each of them', async () => {
    const pages = [];
    for (let page = 1; page <= 4; page++) {
      const { body } = await list(`limit=3&page=${page}`);
      expect(body).toMatchObject({ total: 7, page, limit: 3 });
      pages.push(body.data);
    }
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1, 0]);
    expect(pages.flat()).toEqual(all);
  });

  it.each(['limit=1', 'limit=100', 'page=1', 'limit=7&page=1'])('allows %s', async (query) => {
    expect((await list(query)).status).toBe(200);
  });

  it('is empty on a page past the end, however far', async () => {
    for (const page of [2, 10_000]) {
      const { status, body } = await list(`page=${page}&limit=100`);
      expect([status, body]).toEqual([200, { total: 7, page, limit: 100, data: [] }]);
    }
  });

  it.each(
    ['limit', 'page'].flatMap((name) =>
      ['0', '-1', '1e2', '1.0', '%2B1', '+1', '%201', '', '1,2', '0x1', 'NaN', 'null', '99999999999999999999']
        .concat(name === 'limit' ? ['101'] : ['10001', '9007199254740992'])
        .map((value) => `${name}=${value}`)
        .concat(name, `${name}=1&${name}=2`),
    ),
  )('refuses %s', async (query) => {
    expectError(await list(query), 400, 'invalid_request', query.split('=')[0]);
  });

  it.each([
    'status=active',
    'status=',
    'status=ERROR&status=ACTIVE',
    'developerId=',
    'developerId=lister&developerId=lister',
    'developerId=%00',
    `developerId=${'x'.repeat(256)}`,
    'resourceType=',
    'resourceType=A&resourceType=B',
    'resourceType=%00',
    `resourceType=${'x'.repeat(65)}`,
  ])('refuses %s', async (query) => {
    expectError(await list(query), 400, 'invalid_request', query.split('=')[0]);
  });

  it.each([
    'color',
    'developerid',
    'Limit',
    'limit[]',
    'a[b]',
    'offset',
    '__proto__',
    'constructor',
    'toString',
  ])('refuses the unknown parameter %s by name', async (name) => {
    expectError(await list(`limit=1&${name}=1`), 400, 'invalid_request', `property ${name} should not exist`);
  });

  it('names all bad parameters at once', async () => {
    const answer = await list('limit=0&page=x&status=y&color=1');
    expectError(answer, 400, 'invalid_request', 'limit', 'page', 'status', 'color');
  });

  it("is refused for another developer, and for one that doesn't exist", async () => {
    expectError(await list('developerId=lister', other), 403, 'forbidden');
    expectError(await list('developerId=nobody', other), 403, 'forbidden');
  });

  it("has every developer's records for an admin, or one's", async () => {
    const own = await list('developerId=lister', app.admin);
    expect(own.body).toMatchObject({ total: 7, data: all });
    const { body } = await list('limit=1', app.admin);
    expect(body.total).toBeGreaterThan(7);
    expect(await list('developerId=nobody', app.admin)).toMatchObject({
      status: 200,
      body: { total: 0, page: 1, limit: 50, data: [] },
    });
  });
});

describe('conditional requests', () => {
  const STALE = '"stale"';

  it.each<[string, (etag: string) => string]>([
    ['the ETag', (etag) => etag],
    ['a list with the ETag', (etag) => `${STALE}, ${etag},"x"`],
    ['the ETag as a weak one', (etag) => `W/${etag}`],
    ['*', () => '*'],
  ])('GET with If-None-Match %s is 304, with the ETag and no body', async (_name, header) => {
    const { path, etag } = await created();
    for (const method of ['GET', 'HEAD']) {
      const answer = await dev.request(method, path, { headers: { 'if-none-match': header(etag) } });
      expect([answer.status, answer.body, etagOf(answer)]).toEqual([304, '', etag]);
    }
  });

  it.each<[string, (etag: string) => string]>([
    ['another ETag', () => STALE],
    ['a part of the ETag', (etag) => etag.slice(0, -2) + '"'],
    ['the ETag without quotes', (etag) => etag.slice(1, -1)],
    ['garbage', () => ',,"'],
  ])('GET with If-None-Match %s is 200', async (_name, header) => {
    const { record, path, etag } = await created();
    const answer = await dev.get(path, { 'if-none-match': header(etag) });
    expect([answer.status, answer.body]).toEqual([200, record]);
  });

  it('GET does not tell a stranger, by 304, that a record is unchanged', async () => {
    const { path, etag } = await created();
    expectError(await other.get(path, { 'if-none-match': etag }), 403, 'forbidden');
  });

  it('every write, and only a write, gives a new ETag', async () => {
    const { path, etag } = await created();
    const etags = [etag];
    for (const patch of [{ data: { n: 1 } }, { data: { n: 2 } }, { data: { n: 1 } }, { data: { n: 1 } }]) {
      etags.push(etagOf(await dev.patch(path, patch)));
    }
    expect(new Set(etags).size).toBe(4);
    expect(etags[4]).toBe(etags[3]);
    expect(etagOf(await dev.get(path))).toBe(etags[3]);
  });

  describe.each(['PATCH', 'DELETE'])('%s with If-Match', (method) => {
    const send = (path: string, ifMatch: string) => {
      const headers = { 'if-match': ifMatch };
      return method === 'PATCH' ? dev.patch(path, { status: 'ERROR' }, headers) : dev.delete(path, headers);
    };

    it.each<[string, (etag: string) => string]>([
      ['the ETag', (etag) => etag],
      ['a list with the ETag', (etag) => `${STALE} ,W/"x", ${etag}`],
      ['*', () => '*'],
    ])('%s succeeds', async (_name, header) => {
      const { path, etag } = await created();
      expect((await send(path, header(etag))).status).toBe(method === 'PATCH' ? 200 : 204);
    });

    it.each<[string, (etag: string) => string]>([
      ['another ETag', () => STALE],
      ['a list without the ETag', () => `${STALE}, "x"`],
      ['the ETag as a weak one', (etag) => `W/${etag}`],
      ['the ETag without quotes', (etag) => etag.slice(1, -1)],
      ['nothing', () => ''],
    ])('%s is 412 and changes nothing', async (_name, header) => {
      const { record, path, etag } = await created();
      const answer = await send(path, header(etag));
      expectError(answer, 412, 'precondition_failed', etag);
      const fetched = await dev.get(path);
      expect([fetched.body, etagOf(fetched)]).toEqual([record, etag]);
      expect(await changesSince(record.updatedAt)).toEqual([]);
    });

    it('a version that is gone is 412, and a record that is gone 404', async () => {
      const { path, etag } = await created();
      const latest = etagOf(await dev.patch(path, { data: {} }));
      expectError(await send(path, etag), 412, 'precondition_failed', latest);
      await dev.delete(path);
      for (const header of [latest, '*']) expectError(await send(path, header), 404, 'not_found');
    });
  });

  it('a PATCH that would change nothing is 412 all the same', async () => {
    const { path } = await created();
    expectError(await dev.patch(path, {}, { 'if-match': STALE }), 412, 'precondition_failed');
  });

  it('of parallel PATCHes with one ETag exactly one succeeds, and its change is what stays', async () => {
    for (let i = 0; i < 10; i++) {
      const { record, path, etag } = await created();
      const answers = await Promise.all(
        [1, 2].map((n) => dev.patch(path, { data: { n } }, { 'if-match': etag })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
      const winner = answers.find(({ status }) => status === 200)!;
      expect((await dev.get(path)).body).toEqual(winner.body);
      expect(await changesSince(record.updatedAt)).toHaveLength(1);
    }
  });
});

describe('the item page', () => {
  const FIELDS = {
    data: { distance_km: 42, 'a b': null },
    metadata: { source: 'gps' },
    status: 'PENDING_UPDATE',
  };

  /** A new record and the `item_url` that the feed gives for it. */
  async function createdItem(extra: Partial<RecordInput>) {
    const { record } = await created(extra);
    const { item_url, ...item } = (await changesSince(justBefore(record.createdAt)))[0];
    return { record, url: item_url, item };
  }

  it.each([
    ['ROUTE', 'route', 'routes'],
    ['PROJECT_CONFIG', 'project_config', 'project_configs'],
    ['FEATURE_FLAG_STATE', 'feature_flag_state', 'feature_flag_states'],
    ['EXTERNAL_API_KEY', 'external_api_key', 'external_api_keys'],
    ['Policy', 'policy', 'policies'],
    ['status', 'status', 'statuses'],
    ['constructor', 'constructor', 'constructors'],
    ['then', 'then', 'thens'],
  ])('of a %s has every field, under "%s", in /%s/', async (resourceType, itemType, asset) => {
    const { record, url, item } = await createdItem({ resourceType, ...FIELDS });
    expect(url).toBe(`${app.url}/api/v1/${asset}/${item.item_id}.json`);
    const answer = await dev.get(url);
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.body)).toEqual([itemType]);
    expect(answer.body[itemType]).toEqual({
      id: item.item_id,
      user_id: item.item_user_id,
      url,
      record_id: record.id,
      resource_type: resourceType,
      resource_key: record.resourceKey,
      ...FIELDS.data,
      ...FIELDS,
      created_at: record.createdAt,
      updated_at: record.updatedAt,
    });
  });

  it('shows the record as it is now', async () => {
    const { record, url } = await createdItem({ resourceType: 'ROUTE' });
    const { updatedAt } = (await dev.patch(pathOf(record), { data: { now: true } })).body;
    expect((await dev.get(url)).body.route).toMatchObject({ data: { now: true }, updated_at: updatedAt });
  });

  it("is 404 for another developer's, and open to an admin", async () => {
    const { url, item } = await createdItem({ resourceType: 'ROUTE' });
    expectError(await other.get(url), 404, 'not_found', String(item.item_id));
    expect((await app.admin.get(url)).status).toBe(200);
  });

  it('is 404 under another asset, and after the record was deleted', async () => {
    const { record, url } = await createdItem({ resourceType: 'ROUTE' });
    for (const asset of ['trips', 'route', 'ROUTES', 'x', '%00', '__proto__']) {
      expectError(await dev.get(url.replace('routes', asset)), 404, 'not_found');
    }
    await dev.delete(pathOf(record));
    expectError(await dev.get(url), 404, 'not_found');
  });

  it.each(['0', '-1', '01', '1.0', '1e3', '+1', 'x', '%00', '9'.repeat(15), '9'.repeat(30), UNKNOWN_ID])(
    'is 404 for the id %s',
    async (id) => {
      expectError(await dev.get(`/api/v1/routes/${id}.json`), 404, 'not_found');
    },
  );
});
