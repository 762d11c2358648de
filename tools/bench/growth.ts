import type { Client } from 'pg';
import pg from 'pg';
import type { PostgresServer } from '../postgres.js';
import type { ServerProcess } from '../server-process.js';
import { generateLibraries, headersOf, datetimeAfter } from './library.js';
import { load, type Request } from './load.js';
import { startTidemark } from './pair.js';
import { formatSpread, ratiosOf, type Spread, spreadOf } from './statistics.js';
import type { LoadOptions } from './throughput.js';

const DEVELOPERS = 100;

/** Updates per item: nine of ten changes are superseded. */
const UPDATES = 9;

export interface GrowthReport {
  name: string;
  /** Changes in the database. */
  events: number;
  requestsPerSecond: Spread;
  /** Time per request, relative to that with the shortest history. */
  slowdown: Spread;
}

/** A server on a database with a history of this length. */
interface SizedServer {
  events: number;
  server: ServerProcess;
  requests: Record<string, Request[]>;
}

/** Sends the same requests in turn to servers whose databases have histories of different lengths. */
export async function measureGrowth(
  postgres: PostgresServer,
  client: Client,
  sizes: number[],
  options: LoadOptions,
): Promise<GrowthReport[]> {
  const all: SizedServer[] = [];
  try {
    for (const events of sizes) {
      console.log(`generating ${events} changes`);
      all.push(await prepare(postgres, client, events));
    }
    const reports: GrowthReport[] = [];
    for (const name of Object.keys(all[0].requests)) {
      const rates: number[][] = all.map(() => []);
      // The first round is the warm-up.
      for (let i = 0; i <= options.pairs; i++) {
        for (const [n, { server, requests }] of all.entries()) {
          const result = await load(server.port, { ...options, requests: requests[name] });
          if (i > 0) rates[n].push(result.requests / result.seconds);
        }
      }
      for (const [n, { events }] of all.entries()) {
        const slowdown = ratiosOf(rates[0], rates[n]);
        reports.push({ name, events, requestsPerSecond: spreadOf(rates[n]), slowdown });
      }
    }
    return reports;
  } finally {
    for (const { server } of all) await server.stop();
  }
}

async function prepare(postgres: PostgresServer, client: Client, events: number): Promise<SizedServer> {
  const name = `events_${events}`;
  await client.query(`CREATE DATABASE ${name}`);
  // A start and stop creates the tables.
  await (await startTidemark(postgres.urlOf(name))).stop();
  const database = new pg.Client(postgres.urlOf(name));
  // Ignored, as in main.ts.
  database.on('error', () => {});
  await database.connect();
  try {
    const items = Math.max(1, Math.round(events / DEVELOPERS / (UPDATES + 1)));
    const developers = await generateLibraries(database, 'dev', {
      developers: DEVELOPERS,
      items,
      updates: UPDATES,
    });
    await database.query('VACUUM ANALYZE');
    await database.query('CHECKPOINT');
    const read = (path: (i: number) => string) =>
      developers.map((developer, i) => ({
        method: 'GET',
        path: `/api/v1/sync.json?${path(i)}`,
        headers: headersOf(developer),
      }));
    const length = items * (UPDATES + 1);
    return {
      events,
      server: await startTidemark(postgres.urlOf(name)),
      requests: {
        'idle poll': read(() => `since=${datetimeAfter(length)}`),
        // Pages from the whole history. The shortest history has 100 changes per developer.
        'feed page of 50': read(
          (i) => `limit=50&since=${datetimeAfter(Math.floor(((length - 50) * i) / DEVELOPERS))}`,
        ),
      },
    };
  } finally {
    await database.end();
  }
}

export const growthTable = (reports: GrowthReport[]) =>
  Object.fromEntries(
    reports.map(({ name, events, requestsPerSecond, slowdown }) => [
      `${name}, ${events} changes`,
      {
        'requests/s': Math.round(requestsPerSecond.median),
        'time, relative to first': formatSpread(slowdown),
      },
    ]),
  );
