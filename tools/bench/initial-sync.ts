import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { Client } from 'pg';
import { memoryOf } from '../process-table.js';
import type { ServerProcess } from '../server-process.js';
import { type Developer, generateLibraries, headersOf } from './library.js';
import { type Pair, startOurs, startPair, stopPair } from './pair.js';
import { ratiosOf, type Spread, spreadOf, text } from './statistics.js';

interface Download {
  items: number;
  seconds: number;
  /** Until the first byte of the body, in seconds. */
  firstByte: number;
  /** SHA-256 of the items. */
  digest: string;
}

interface Measured {
  itemsPerSecond: Spread;
  seconds: Spread;
  firstByte: Spread;
  /** In MiB, of a server that has done nothing else. */
  peakMemory: number;
}

export interface InitialSyncReport {
  name: string;
  ours: Measured;
  floor?: Measured;
  /** Of items a second, ours to the floor's. */
  ratio?: Spread;
  /** Of the time, to that of the plain initial sync of a library that was never updated. */
  slowdown?: Spread;
}

/** How often each item was updated in the library with a history. */
const UPDATES = 10;

/** Downloads of a whole library: one that is new, and one with a history, plain and compact. */
export async function measureInitialSync(
  url: string,
  client: Client,
  items: number,
  pairs: number,
): Promise<InitialSyncReport[]> {
  await (await startOurs(url)).stop();
  const [fresh] = await generateLibraries(client, 'fresh', { developers: 1, items, updates: 0 });
  const [updated] = await generateLibraries(client, 'updated', { developers: 1, items, updates: UPDATES });
  await client.query('VACUUM ANALYZE');

  const variants = [
    { name: 'never updated', developer: fresh, query: '', count: items, hasFloor: true },
    {
      name: 'never updated, compact',
      developer: fresh,
      query: '&compact=true',
      count: items,
      hasFloor: false,
    },
    {
      name: `${UPDATES} updates each`,
      developer: updated,
      query: '',
      count: items * (UPDATES + 1),
      hasFloor: true,
    },
    {
      name: `${UPDATES} updates each, compact`,
      developer: updated,
      query: '&compact=true',
      count: items,
      hasFloor: false,
    },
  ];
  const results: ((typeof variants)[number] & { pair: Pair; ours: Download[]; floor: Download[] })[] = [];
  for (const variant of variants)
    results.push({ ...variant, pair: await startPair(url), ours: [], floor: [] });
  try {
    // The first round warms up.
    for (let i = 0; i <= pairs; i++) {
      for (const { developer, query, count, hasFloor, pair, ours, floor } of results) {
        ours.push(await download(pair.ours, developer, query));
        if (hasFloor) floor.push(await download(pair.floor, developer, query));
        for (const { items, digest } of [...ours, ...floor]) {
          assert.equal(items, count);
          assert.equal(digest, ours[0].digest);
        }
      }
    }
    const seconds = (downloads: Download[]) => downloads.slice(1).map(({ seconds }) => seconds);
    const rates = (downloads: Download[]) => downloads.slice(1).map(({ items, seconds }) => items / seconds);
    const measured = (pair: Pair, who: keyof Pair, downloads: Download[]): Measured => ({
      itemsPerSecond: spreadOf(rates(downloads)),
      seconds: spreadOf(seconds(downloads)),
      firstByte: spreadOf(downloads.slice(1).map(({ firstByte }) => firstByte)),
      peakMemory: memoryOf(pair[who].pid, 'VmHWM'),
    });
    return results.map(({ name, hasFloor, query, pair, ours, floor }) => ({
      name,
      ours: measured(pair, 'ours', ours),
      ...(hasFloor
        ? { floor: measured(pair, 'floor', floor), ratio: ratiosOf(rates(ours), rates(floor)) }
        : {}),
      ...(query === '' ? {} : { slowdown: ratiosOf(seconds(ours), seconds(results[0].ours)) }),
    }));
  } finally {
    for (const { pair } of results) await stopPair(pair);
  }
}

async function download(server: ServerProcess, developer: Developer, query: string): Promise<Download> {
  const start = performance.now();
  const request = get(`${server.url}/api/v1/sync.json?since=1970-01-01T00:00:00Z${query}`, {
    headers: headersOf(developer),
    agent: false,
  });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(answer.statusCode, 200);
  const chunks: Buffer[] = [];
  let firstByte = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    firstByte ||= performance.now() - start;
    chunks.push(chunk);
  }
  const seconds = (performance.now() - start) / 1_000;
  const body = Buffer.concat(chunks);
  const end = body.lastIndexOf('],"meta":');
  const { item_count } = (
    JSON.parse(`{${body.subarray(end + 2).toString()}`) as { meta: { item_count: number } }
  ).meta;
  const digest = createHash('sha256').update(body.subarray(0, end)).digest('hex');
  return { items: item_count, seconds, firstByte: firstByte / 1_000, digest };
}

export const initialSyncTable = (reports: InitialSyncReport[]) =>
  Object.fromEntries(
    reports.map(({ name, ours, floor, ratio, slowdown }) => [
      name,
      {
        'ours items/s': Math.round(ours.itemsPerSecond.median),
        'floor items/s': floor ? Math.round(floor.itemsPerSecond.median) : '',
        'ours/floor': ratio ? text(ratio) : '',
        'time to that of the first': slowdown ? text(slowdown) : '',
        'first byte s, ours, floor': [ours, floor].map((m) => m?.firstByte.median.toFixed(3)).join(', '),
        'peak MiB, ours, floor': [ours, floor].map((m) => m?.peakMemory.toFixed(0)).join(', '),
      },
    ]),
  );
