import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from 'pg';
import type { PostgresServer } from '../postgres.js';
import { memoryOf } from '../process-table.js';
import { ServerProcess } from '../server-process.js';
import { load } from './load.js';
import { startTidemark } from './pair.js';
import { formatSpread, type Spread, spreadOf } from './statistics.js';
import { type LoadOptions, prepareScenarios } from './throughput.js';

export interface ResourcesReport {
  /**
   * SQL statements per request, BEGIN and COMMIT included: with one HTTP connection, and with all of them.
   */
  statements: Record<string, { oneConnection: number; allConnections: number }>;
  /** Resident memory, in MiB. */
  memory: Record<string, number>;
  /** From the start of the process to the first 200 of /health/ready, in seconds. */
  startUp: Record<string, Spread>;
}

export async function measureResources(
  postgres: PostgresServer,
  client: Client,
  options: LoadOptions,
): Promise<ResourcesReport> {
  const startUp = await measureStartUp(postgres, client, options.pairs);
  const scenarios = await prepareScenarios(postgres.url, client);
  await client.query('CREATE EXTENSION pg_stat_statements');
  const server = await startTidemark(postgres.url);
  try {
    const memory: Record<string, number> = { 'at rest': memoryOf(server.pid, 'VmRSS') };
    const statements: ResourcesReport['statements'] = {};
    for (const { name, requests, firstCursor } of scenarios) {
      const count = async (connections: number) => {
        const run = () => load(server.port, { requests, firstCursor, connections, seconds: options.seconds });
        // Warm-up: fills the cache of API keys.
        await run();
        await client.query('SELECT pg_stat_statements_reset()');
        const result = await run();
        const { rows } = await client.query<{ calls: number }>(
          // Excludes background statements: jobs, looks at the clock, and updates of a key's last use.
          `SELECT sum(calls)::float8 AS calls FROM pg_stat_statements
           WHERE query !~ 'pgboss|clock_heartbeats|api_keys|pg_stat_statements'`,
        );
        return rows[0].calls / result.requests;
      };
      statements[name] = {
        oneConnection: await count(1),
        allConnections: await count(options.connections),
      };
      memory[`peak after: ${name}`] = memoryOf(server.pid, 'VmHWM');
    }
    return { statements, memory, startUp };
  } finally {
    await server.stop();
  }
}

async function measureStartUp(postgres: PostgresServer, client: Client, times: number) {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  const seconds = async (env: Record<string, string>) => {
    const start = performance.now();
    const server = await ServerProcess.start(env);
    const time = (performance.now() - start) / 1_000;
    await server.stop();
    return time;
  };
  const results: Record<string, number[]> = {};
  const measure = async (name: string, env: Record<string, string>) =>
    (results[name] ??= []).push(await seconds(env));
  try {
    for (let i = 0; i < times; i++) {
      await client.query(`CREATE DATABASE start_${i}`);
      const server = { DATABASE_URL: postgres.urlOf(`start_${i}`) };
      const embedded = { DATA_DIR: join(directory, String(i)) };
      await measure('PostgreSQL, empty', server);
      await measure('PostgreSQL, again', server);
      await measure('embedded, empty', embedded);
      await measure('embedded, again', embedded);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  return Object.fromEntries(Object.entries(results).map(([name, times]) => [name, spreadOf(times)]));
}

export const resourcesTable = ({ statements, memory, startUp }: ResourcesReport) => ({
  'SQL statements per request': Object.fromEntries(
    Object.entries(statements).map(([name, { oneConnection, allConnections }]) => [
      name,
      { 'one connection': oneConnection.toFixed(2), 'all connections': allConnections.toFixed(2) },
    ]),
  ),
  'Memory, MiB': Object.fromEntries(
    Object.entries(memory).map(([name, MiB]) => [name, { MiB: MiB.toFixed(0) }]),
  ),
  'Start, seconds': Object.fromEntries(
    Object.entries(startUp).map(([name, spread]) => [name, { seconds: formatSpread(spread) }]),
  ),
});
