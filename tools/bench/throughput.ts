import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'pg';
import type { PostgresServer } from '../postgres.js';
import type { ServerProcess } from '../server-process.js';
import { generateLibraries } from './library.js';
import { load, type LoadResult, type Request } from './load.js';
import { type Pair, cpuSecondsOf, startTidemark, startPair, stopPair } from './pair.js';
import { DEVELOPERS, ITEMS, type Scenario, scenariosOf } from './scenarios.js';
import { formatSpread, ratiosOf, type Spread, spreadOf } from './statistics.js';

export interface LoadOptions {
  connections: number;
  /** Duration of each load. */
  seconds: number;
  /** Repetitions: how often each scenario is measured on each server. */
  pairs: number;
}

interface Measurement {
  requestsPerSecond: Spread;
  /** Latencies in ms. */
  p50: Spread;
  p99: Spread;
  /** Processor time of the server process per request, in µs. */
  cpuMicros: Spread;
}

interface Result extends LoadResult {
  cpuMicros: number;
}

export interface ThroughputReport {
  tidemark: Measurement;
  baseline: Measurement;
  /** Transactions per second of the same SQL statements, without HTTP. */
  pgbench?: Spread;
  ratio: Spread;
  target?: number;
}

/** Generates the data of all scenarios. */
export async function prepareScenarios(url: string, client: Client): Promise<Scenario[]> {
  // A start and stop creates the tables.
  await (await startTidemark(url)).stop();
  const developers = await generateLibraries(client, 'dev', {
    developers: DEVELOPERS,
    items: ITEMS,
    updates: 0,
  });
  const crowd = await generateLibraries(client, 'crowd', { developers: 1_000, items: 1, updates: 0 });
  await client.query('VACUUM ANALYZE');
  return scenariosOf(developers, crowd, developers.length * ITEMS + 1);
}

/** Measures the throughput of each scenario, in turn on Tidemark and on the baseline. */
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
      await assertSameResponses(pair, scenario);
      const { requests, firstCursor } = scenario;
      const run = async (server: ServerProcess, seconds: number): Promise<Result> => {
        const before = cpuSecondsOf(server);
        const result = await assertWrites(client, scenario, options.connections, () =>
          load(server.port, { ...options, requests, firstCursor, seconds }),
        );
        return { ...result, cpuMicros: ((cpuSecondsOf(server) - before) / result.requests) * 1e6 };
      };
      await run(pair.tidemark, 2);
      await run(pair.baseline, 2);
      const results: { tidemark: Result[]; baseline: Result[]; pgbench: number[] } = {
        tidemark: [],
        baseline: [],
        pgbench: [],
      };
      for (let i = 0; i < options.pairs; i++) {
        const order = i % 2 === 0 ? (['tidemark', 'baseline'] as const) : (['baseline', 'tidemark'] as const);
        for (const name of order) results[name].push(await run(pair[name], options.seconds));
        if (scenario.pgbench !== undefined)
          results.pgbench.push(await pgbench(server, scenario.pgbench, options.seconds));
      }
      const rates = (loads: LoadResult[]) => loads.map(({ requests, seconds }) => requests / seconds);
      const measured = (loads: Result[]): Measurement => ({
        requestsPerSecond: spreadOf(rates(loads)),
        p50: spreadOf(loads.map(({ p50 }) => p50)),
        p99: spreadOf(loads.map(({ p99 }) => p99)),
        cpuMicros: spreadOf(loads.map(({ cpuMicros }) => cpuMicros)),
      });
      const report: ThroughputReport = {
        tidemark: measured(results.tidemark),
        baseline: measured(results.baseline),
        ...(scenario.pgbench === undefined ? {} : { pgbench: spreadOf(results.pgbench) }),
        ratio: ratiosOf(rates(results.tidemark), rates(results.baseline)),
        target: scenario.target,
      };
      reports[scenario.name] = report;
      console.log(`${scenario.name}: ${formatSpread(report.ratio)} times the baseline`);
    }
  } finally {
    await stopPair(pair);
  }
  return reports;
}

export const throughputTable = (reports: Record<string, ThroughputReport>) =>
  Object.fromEntries(
    Object.entries(reports).map(([name, { tidemark, baseline, pgbench, ratio, target }]) => [
      name,
      {
        'tidemark/s': Math.round(tidemark.requestsPerSecond.median),
        'baseline/s': Math.round(baseline.requestsPerSecond.median),
        'pgbench/s': pgbench === undefined ? '' : Math.round(pgbench.median),
        'tidemark/baseline': formatSpread(ratio),
        target: target ?? '',
        'CPU µs: tidemark, baseline': [tidemark, baseline]
          .map((m) => Math.round(m.cpuMicros.median))
          .join(', '),
        'tidemark p50, p99 ms': `${tidemark.p50.median.toFixed(1)}, ${tidemark.p99.median.toFixed(1)}`,
        'baseline p50, p99 ms': `${baseline.p50.median.toFixed(1)}, ${baseline.p99.median.toFixed(1)}`,
      },
    ]),
  );

/** @throws AssertionError if the servers' responses differ */
async function assertSameResponses(
  { tidemark, baseline }: Pair,
  { requests, status, comparable }: Scenario,
): Promise<void> {
  if (!comparable) return;
  for (const request of requests.slice(0, 10)) {
    const [a, b] = await Promise.all(
      [tidemark, baseline].map(async ({ url }): Promise<unknown> => {
        const response = await fetch(url + request.path, {
          method: request.method,
          headers: request.headers,
        });
        assert.equal(response.status, status, `${request.path} of ${url}`);
        const body = await response.text();
        return body === '' ? '' : comparable(JSON.parse(body) as never);
      }),
    );
    assert.deepEqual(a, b);
  }
}

const writes = (requests: Request[]) => requests.some(({ method }) => method !== 'GET');

/**
 * Runs a load and checks that every acknowledged write has left one change, and nothing else has.
 *
 * @throws AssertionError
 */
async function assertWrites(
  client: Client,
  { requests, status, firstCursor }: Scenario,
  connections: number,
  run: () => Promise<LoadResult>,
) {
  if (!writes(requests) || firstCursor !== undefined) return run();
  const count = async () => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int FROM change_events WHERE user_id <= ${DEVELOPERS}`,
    );
    return rows[0].count;
  };
  const before = await count();
  const result = await run();
  const written = (await count()) - before;
  // wrk exits without waiting for the last responses; so did the previous load.
  assert.ok(
    written >= result.requests && written <= result.requests + 2 * connections,
    `${result.requests} requests responded ${status}, but ${written} changes were written`,
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
