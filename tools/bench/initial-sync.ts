import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { Client } from 'pg';
import { memoryOf } from '../process-table.js';
import type { ServerProcess } from '../server-process.js';
import { type Developer, generateLibraries, headersOf } from './library.js';
import { type Pair, startTidemark, startPair, stopPair } from './pair.js';
import { formatSpread, ratiosOf, type Spread, spreadOf } from './statistics.js';

interface Download {
  items: number;
  seconds: number;
  /** Time to the first byte of the body, in seconds. */
  firstByte: number;
  /** SHA-256 of the items' JSON. */
  digest: string;
}

interface Measurement {
  itemsPerSecond: Spread;
  seconds: Spread;
  firstByte: Spread;
  /** Peak resident memory in MiB, of a server that served nothing else. */
  peakMemory: number;
}

export interface InitialSyncReport {
  name: string;
  tidemark: Measurement;
  baseline?: Measurement;
  /** Items per second of Tidemark, divided by those of the baseline. */
  ratio?: Spread;
  /** Time, relative to the plain initial sync of a library that was never updated. */
  slowdown?: Spread;
}

/** Updates per item of the library with a history. */
const UPDATES = 10;

/** Measures downloads of a whole library: one without updates and one with a history, plain and compact. */
export async function measureInitialSync(
  url: string,
  client: Client,
  items: number,
  pairs: number,
): Promise<InitialSyncReport[]> {
  await (await startTidemark(url)).stop();
  const [fresh] = await generateLibraries(client, 'fresh', { developers: 1, items, updates: 0 });
  const [updated] = await generateLibraries(client, 'updated', { developers: 1, items, updates: UPDATES });
  await client.query('VACUUM ANALYZE');

  const variants = [
    { name: 'never updated', developer: fresh, query: '', count: items, hasBaseline: true },
    {
      name: 'never updated, compact',
      developer: fresh,
      query: '&compact=true',
      count: items,
      hasBaseline: false,
    },
    {
      name: `${UPDATES} updates each`,
      developer: updated,
      query: '',
      count: items * (UPDATES + 1),
      hasBaseline: true,
    },
    {
      name: `${UPDATES} updates each, compact`,
      developer: updated,
      query: '&compact=true',
      count: items,
      hasBaseline: false,
    },
  ];
  const results: ((typeof variants)[number] & { pair: Pair; tidemark: Download[]; baseline: Download[] })[] =
    [];
  for (const variant of variants)
    results.push({ ...variant, pair: await startPair(url), tidemark: [], baseline: [] });
  try {
    // The first round is the warm-up.
    for (let i = 0; i <= pairs; i++) {
      for (const { developer, query, count, hasBaseline, pair, tidemark, baseline } of results) {
        tidemark.push(await download(pair.tidemark, developer, query));
        if (hasBaseline) baseline.push(await download(pair.baseline, developer, query));
        for (const { items, digest } of [...tidemark, ...baseline]) {
          assert.equal(items, count);
          assert.equal(digest, tidemark[0].digest);
        }
      }
    }
    const seconds = (downloads: Download[]) => downloads.slice(1).map(({ seconds }) => seconds);
    const rates = (downloads: Download[]) => downloads.slice(1).map(({ items, seconds }) => items / seconds);
    const measured = (pair: Pair, name: keyof Pair, downloads: Download[]): Measurement => ({
      itemsPerSecond: spreadOf(rates(downloads)),
      seconds: spreadOf(seconds(downloads)),
      firstByte: spreadOf(downloads.slice(1).map(({ firstByte }) => firstByte)),
      peakMemory: memoryOf(pair[name].pid, 'VmHWM'),
    });
    return results.map(({ name, hasBaseline, query, pair, tidemark, baseline }) => ({
      name,
      tidemark: measured(pair, 'tidemark', tidemark),
      ...(hasBaseline
        ? {
            baseline: measured(pair, 'baseline', baseline),
            ratio: ratiosOf(rates(tidemark), rates(baseline)),
          }
        : {}),
      ...(query === '' ? {} : { slowdown: ratiosOf(seconds(tidemark), seconds(results[0].tidemark)) }),
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
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  const chunks: Buffer[] = [];
  let firstByte = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
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
    reports.map(({ name, tidemark, baseline, ratio, slowdown }) => [
      name,
      {
        'tidemark items/s': Math.round(tidemark.itemsPerSecond.median),
        'baseline items/s': baseline ? Math.round(baseline.itemsPerSecond.median) : '',
        'tidemark/baseline': ratio ? formatSpread(ratio) : '',
        'time, relative to first': slowdown ? formatSpread(slowdown) : '',
        'first byte s, tidemark, baseline': [tidemark, baseline]
          .map((m) => m?.firstByte.median.toFixed(3))
          .join(', '),
        'peak MiB, tidemark, baseline': [tidemark, baseline].map((m) => m?.peakMemory.toFixed(0)).join(', '),
      },
    ]),
  );
