import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { PostgresServer } from '../postgres.js';
import { measureGrowth, growthTable } from './growth.js';
import { initialSyncTable, measureInitialSync } from './initial-sync.js';
import { measureResources, resourcesTable } from './resources.js';
import { SCENARIO_NAMES } from './scenarios.js';
import { attacksNamed, attacksTable, measureAttacks } from './under-attack.js';
import { measureThroughput, prepareScenarios, throughputTable } from './throughput.js';

const REPORTS = resolve(import.meta.dirname, '../../reports');

const PARTS = ['throughput', 'initial-sync', 'growth', 'resources', 'attacks'];

const USAGE = `Usage: npm run bench -- [options]

  --only NAMES         parts to run, separated by commas: ${PARTS.join(', ')}
  --scenarios TEXT     run only the throughput scenarios, or attacks, whose name contains TEXT
  --pairs NUMBER       repetitions of each measurement (default 5)
  --seconds NUMBER     duration of each load (default 5)
  --connections NUMBER parallel connections (default 32)
  --items NUMBER       items of the initial sync (default 100000)
  --events LIST        numbers of changes for the growth part (default 10000,1000000,10000000)

Needs PostgreSQL and wrk (apt-get install postgresql wrk).`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: PARTS.join() },
      scenarios: { type: 'string', default: '' },
      pairs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '5' },
      connections: { type: 'string', default: '32' },
      items: { type: 'string', default: '100000' },
      events: { type: 'string', default: '10000,1000000,10000000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const integer = (value: string) => {
    if (!/^[1-9]\d{0,8}$/.test(value)) throw new Error(`${value} is not a positive integer`);
    return Number(value);
  };
  const parts = values.only.split(',');
  const unknown = parts.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new Error(`unknown part "${unknown}"`);
  const { scenarios } = values;
  const { names, embeddedNames } = attacksNamed(scenarios);
  const found = [
    ...(parts.includes('throughput') ? SCENARIO_NAMES.filter((name) => name.includes(scenarios)) : []),
    ...(parts.includes('attacks') ? [...names, ...embeddedNames] : []),
  ];
  if (scenarios !== '' && found.length === 0)
    throw new Error(
      `no scenario of ${values.only} has "${scenarios}" in its name; those of throughput are: ` +
        SCENARIO_NAMES.join('; '),
    );
  return {
    parts,
    scenarios,
    pairs: integer(values.pairs),
    seconds: integer(values.seconds),
    connections: integer(values.connections),
    items: integer(values.items),
    events: values.events.split(',').map(integer),
  };
}

let options: ReturnType<typeof readOptions>;
try {
  options = readOptions();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(2);
}
const { parts } = options;

const report: Record<string, unknown> = {
  date: new Date().toISOString(),
  machine: { cpu: cpus()[0].model, cores: cpus().length, memory: totalmem(), node: process.version },
  options,
};

function printTable(title: string, rows: Record<string, object>): void {
  console.log(`\n${title}`);
  console.table(rows);
}

/** Rejects on SIGINT or SIGTERM, so that the processes which this one has started are stopped. */
const interruption = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => reject(new Error(`interrupted by ${signal}`)));
});
interruption.catch(() => {});

/** Runs a part on its own PostgreSQL server, so that leftovers of one part cannot slow down the next. */
async function withPostgres<T>(
  work: (server: PostgresServer, client: pg.Client) => Promise<T>,
  settings: Record<string, string> = {},
): Promise<T> {
  const server = await PostgresServer.start(settings);
  const client = new pg.Client(server.url);
  // Ignored: if the server stops, the pending query rejects as well.
  client.on('error', () => {});
  let working: Promise<T> | undefined;
  try {
    await client.connect();
    report.postgres ??= (
      await client.query<{ server_version: string }>('SHOW server_version')
    ).rows[0].server_version;
    working = work(server, client);
    return await Promise.race([working, interruption]);
  } finally {
    await client.end();
    await server.destroy();
    // On an interruption the part fails for lack of a database, and then stops its server processes.
    await working?.catch(() => {});
  }
}

if (parts.includes('throughput')) {
  const throughput = await withPostgres(async (server, client) => {
    const scenarios = await prepareScenarios(server.url, client);
    return measureThroughput(
      server,
      client,
      scenarios.filter(({ name }) => name.includes(options.scenarios)),
      options,
    );
  });
  report.throughput = throughput;
  printTable(`Throughput at ${options.connections} connections`, throughputTable(throughput));
}
if (parts.includes('initial-sync')) {
  const sync = await withPostgres((server, client) =>
    measureInitialSync(server.url, client, options.items, options.pairs),
  );
  report.initialSync = sync;
  printTable(`Initial sync of ${options.items} items`, initialSyncTable(sync));
}
if (parts.includes('growth')) {
  const growth = await withPostgres((server, client) =>
    measureGrowth(server, client, options.events, options),
  );
  report.growth = growth;
  printTable('Growth of the history', growthTable(growth));
}
if (parts.includes('resources')) {
  const resources = await withPostgres((server, client) => measureResources(server, client, options), {
    shared_preload_libraries: 'pg_stat_statements',
  });
  report.resources = resources;
  for (const [title, rows] of Object.entries(resourcesTable(resources))) printTable(title, rows);
}
if (parts.includes('attacks')) {
  const attacks = await withPostgres((server, client) =>
    measureAttacks(server, client, { seconds: options.seconds, pattern: options.scenarios }),
  );
  report.attacks = attacks;
  printTable('Another developer under attack, ms', attacksTable(attacks));
}
mkdirSync(REPORTS, { recursive: true });
const file = join(REPORTS, 'bench.json');
writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
console.log(`\n${file}`);
