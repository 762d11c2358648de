import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'pg';
import type { PostgresServer } from '../postgres.js';
import type { ServerProcess } from '../server-process.js';
import { generateLibraries } from './library.js';
import { load, type LoadResult, type Request } from './load.js';
import { type Pair, processorTimeOf, startOurs, startPair, stopPair } from './pair.js';
import { DEVELOPERS, ITEMS, type Scenario, scenariosOf } from './scenarios.js';
import { ratiosOf, type Spread, spreadOf, text } from './statistics.js';

export interface LoadOptions {
  connections: number;
  /** Of each load. */
  seconds: number;
  /** How often each scenario is measured on each server. */
  pairs: number;
}

interface Measured {
  requestsPerSecond: Spread;
  /** Latencies in ms. */
  p50: Spread;
  p99: Spread;
  /** Processor time of the server process a request, in µs. */
  processor: Spread;
}

interface Result extends LoadResult {
  processor: number;
}

export interface ThroughputReport {
  ours: Measured;
  floor: Measured;
  /** Transactions a second of the same statements, without HTTP. */
  pgbench?: Spread;
  ratio: Spread;
  target?: number;
}

/** The database of all scenarios. */
export async function prepareScenarios(url: string, client: Client): Promise<Scenario[]> {
  // Makes the tables.
  await (await startOurs(url)).stop();
  const developers = await generateLibraries(client, 'dev', {
    developers: DEVELOPERS,
    items: ITEMS,
    updates: 0,
  });
  const crowd = await generateLibraries(client, 'crowd', { developers: 1_000, items: 1, updates: 0 });
  await client.query('VACUUM ANALYZE');
  return scenariosOf(developers, crowd, developers.length * ITEMS + 1);
}

/** Requests a second of each scenario, ours and the floor's in turn. */
export async function measureThroughput(
  server: PostgresServer,
  client: Client,
  scenarios: Scenario[],
  options: LoadOptions,
): Promise<Record<string, ThroughputReport>> {
  const pair = await startPair(server.url);
  const reports: Record<string, ThroughputReport> = {};
  try {
    for (const scenario of scenarios) {
      await compare(pair, scenario);
      const { requests, follow } = scenario;
      const run = async (server: ServerProcess, seconds: number): Promise<Result> => {
        const before = processorTimeOf(server);
        const result = await counted(client, scenario, options.connections, () =>
          load(server.port, { ...options, requests, follow, seconds }),
        );
        return { ...result, processor: ((processorTimeOf(server) - before) / result.requests) * 1e6 };
      };
      await run(pair.ours, 2);
      await run(pair.floor, 2);
      const results: { ours: Result[]; floor: Result[]; pgbench: number[] } = {
        ours: [],
        floor: [],
        pgbench: [],
      };
      for (let i = 0; i < options.pairs; i++) {
        const order = i % 2 === 0 ? (['ours', 'floor'] as const) : (['floor', 'ours'] as const);
        for (const name of order) results[name].push(await run(pair[name], options.seconds));
        if (scenario.pgbench !== undefined)
          results.pgbench.push(await pgbench(server, scenario.pgbench, options.seconds));
      }
      const rates = (loads: LoadResult[]) => loads.map(({ requests, seconds }) => requests / seconds);
      const measured = (loads: Result[]): Measured => ({
        requestsPerSecond: spreadOf(rates(loads)),
        p50: spreadOf(loads.map(({ p50 }) => p50)),
        p99: spreadOf(loads.map(({ p99 }) => p99)),
        processor: spreadOf(loads.map(({ processor }) => processor)),
      });
      const report: ThroughputReport = {
        ours: measured(results.ours),
        floor: measured(results.floor),
        ...(scenario.pgbench === undefined ? {} : { pgbench: spreadOf(results.pgbench) }),
        ratio: ratiosOf(rates(results.ours), rates(results.floor)),
        target: scenario.target,
      };
      reports[scenario.name] = report;
      console.log(`${scenario.name}: ${text(report.ratio)} times the floor`);
    }
  } finally {
    await stopPair(pair);
  }
  return reports;
}

export const throughputTable = (reports: Record<string, ThroughputReport>) =>
  Object.fromEntries(
    Object.entries(reports).map(([name, { ours, floor, pgbench, ratio, target }]) => [
      name,
      {
        'ours/s': Math.round(ours.requestsPerSecond.median),
        'floor/s': Math.round(floor.requestsPerSecond.median),
        'pgbench/s': pgbench === undefined ? '' : Math.round(pgbench.median),
        'ours/floor': text(ratio),
        target: target ?? '',
        'processor µs: ours, floor': [ours, floor].map((m) => Math.round(m.processor.median)).join(', '),
        'ours p50, p99 ms': `${ours.p50.median.toFixed(1)}, ${ours.p99.median.toFixed(1)}`,
        'floor p50, p99 ms': `${floor.p50.median.toFixed(1)}, ${floor.p99.median.toFixed(1)}`,
      },
    ]),
  );

/** Both servers have to answer the same. */
async function compare({ ours, floor }: Pair, { requests, status, comparable }: Scenario): Promise<void> {
  if (!comparable) return;
  for (const request of requests.slice(0, 10)) {
    const [a, b] = await Promise.all(
      [ours, floor].map(async ({ url }): Promise<unknown> => {
        const answer = await fetch(url + request.path, { method: request.method, headers: request.headers });
        assert.equal(answer.status, status, `${request.path} of ${url}`);
        const body = await answer.text();
        return body === '' ? '' : comparable(JSON.parse(body) as never);
      }),
    );
    assert.deepEqual(a, b);
  }
}

const writes = (requests: Request[]) => requests.some(({ method }) => method !== 'GET');

/** Every write that was answered has left its change, and nothing else has. */
async function counted(
  client: Client,
  { requests, status, follow }: Scenario,
  connections: number,
  run: () => Promise<LoadResult>,
) {
  if (!writes(requests) || follow !== undefined) return run();
  const count = async () => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int FROM change_events WHERE user_id <= ${DEVELOPERS}`,
    );
    return rows[0].count;
  };
  const before = await count();
  const result = await run();
  const written = (await count()) - before;
  // wrk leaves without waiting for the last answers, and so did the load before.
  assert.ok(
    written >= result.requests && written <= result.requests + 2 * connections,
    `${result.requests} requests were answered with ${status}, and ${written} changes were written`,
  );
  return result;
}

async function pgbench(server: PostgresServer, script: string, seconds: number): Promise<number> {
  const file = join(server.directory, 'pgbench.sql');
  writeFileSync(file, script);
  const output = await server.execute('pgbench', [
    ...['-n', '-M', 'prepared', '-c', '10', '-j', '1', '-T', String(seconds), '-f', file],
    ...['-h', '127.0.0.1', '-p', String(server.port), '-U', 'postgres', 'postgres'],
  ]);
  const [, rate] = /tps = ([\d.]+)/.exec(output) ?? [];
  if (rate === undefined || !/number of failed transactions: 0 /.test(output)) throw new Error(output);
  return Number(rate);
}
