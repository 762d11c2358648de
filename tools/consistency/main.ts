import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Broken } from '../lost-time/copy.js';
import { runLostTime } from '../lost-time/run.js';
import { LOST_TIME_FAULTS } from '../lost-time/site.js';
import { FAULTS } from './faults.js';
import { History } from './history.js';
import { type Report, run, type RunOptions } from './run.js';

const ROOT = resolve(import.meta.dirname, '../..');

const USAGE = `Usage: npm run check:consistency -- [options]

  --duration SECONDS  time of writes and faults (default 30)
  --seed NUMBER       repeats the random choices of an earlier run (default: a new seed)
  --servers NUMBER    server processes to start (default 2)
  --replica           lets the servers read feeds from two standbys
  --move              one server, which begins on the embedded database; after a third of the time
                      it is moved to PostgreSQL, where the usual faults follow
  --developers NUMBER libraries (default 3)
  --writers NUMBER    writers of each library (default 3)
  --faults NAMES      only these faults, separated by commas, or none:
                      ${FAULTS.join(',\n                      ')}
  --lost-time         faults that take the database back in time instead: acknowledged writes
                      may be lost, and every copy must be exact all the same:
                      ${Object.keys(LOST_TIME_FAULTS).join(', ')}
  --program DIRECTORY built program to start (default: this one)
  --url URL           checks a running server instead, without faults; needs --admin-key
  --admin-key KEY     its admin key

Exit codes: 0 no violation, 1 a violation was found, 2 the check could not run.`;

function readOptions(): Omit<RunOptions, 'signal'> & { isLostTime: boolean } {
  const { values } = parseArgs({
    options: {
      duration: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      servers: { type: 'string', default: '2' },
      replica: { type: 'boolean', default: false },
      move: { type: 'boolean', default: false },
      developers: { type: 'string', default: '3' },
      writers: { type: 'string', default: '3' },
      faults: { type: 'string' },
      'lost-time': { type: 'boolean', default: false },
      program: { type: 'string', default: ROOT },
      url: { type: 'string' },
      'admin-key': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const integer = (name: 'duration' | 'seed' | 'servers' | 'developers' | 'writers') => {
    if (!/^\d{1,10}$/.test(values[name]) || (name !== 'seed' && values[name] === '0'))
      throw new Error(`--${name} must be an integer`);
    return Number(values[name]);
  };
  if ((values.url === undefined) !== (values['admin-key'] === undefined))
    throw new Error('--url and --admin-key must be used together');
  const faults = values.faults === 'none' ? [] : values.faults?.split(',').map((name) => name.trim());
  const known = values['lost-time'] ? Object.keys(LOST_TIME_FAULTS) : FAULTS;
  const unknown = faults?.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`unknown fault "${unknown}"`);
  const seed = integer('seed');
  return {
    duration: integer('duration'),
    seed,
    reports: join(ROOT, 'reports', `consistency-${seed}`),
    servers: integer('servers'),
    developers: integer('developers'),
    writers: integer('writers'),
    isLostTime: values['lost-time'],
    isReplicated: values.replica,
    isMoving: values.move,
    faults,
    program: resolve(values.program),
    url: values.url?.replace(/\/+$/, ''),
    adminKey: values['admin-key'] ?? 'admin-key-of-the-consistency-check',
  };
}

function printTable(title: string, rows: Record<string, object>): void {
  if (Object.keys(rows).length === 0) return;
  console.log(`\n${title}`);
  console.table(rows);
}

/** Prints a report and writes it to a file. @returns the path of the file */
function writeReport(
  options: ReturnType<typeof readOptions>,
  { violation, history, statistics, skipped }: Report,
): string {
  printTable('Operations', statistics.operations);
  printTable('Followers', statistics.followers);
  printTable('Faults', statistics.faults);
  for (const [fault, reason] of Object.entries(skipped)) console.log(`Skipped: ${fault}: ${reason}`);
  const { convergence } = statistics;
  if (convergence) console.log(`\nConverged after ${convergence.seconds.toFixed(1)} s. ${convergence.last}`);
  const timeline = violation && history.timelineOf(violation);
  if (violation) {
    console.log(`\nVIOLATION (${violation.kind}), seed ${options.seed}\n${violation.message}\n`);
    console.log(History.format(timeline!));
  }
  const { kind, message, subject } = violation ?? {};
  const file = join(options.reports, 'report.json');
  const content = {
    options: { ...options, adminKey: undefined },
    ...statistics,
    skipped,
    violation: violation && { kind, message, subject, timeline },
  };
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  return file;
}

let options: ReturnType<typeof readOptions>;
try {
  options = readOptions();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`.trim());
  process.exit(2);
}
console.log(`Checking consistency for ${options.duration} s, seed ${options.seed} …`);
rmSync(options.reports, { recursive: true, force: true });
mkdirSync(options.reports, { recursive: true });
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interruption.abort(new Error(`interrupted by ${signal}`)));
try {
  if (options.isLostTime) {
    console.table(await runLostTime({ ...options, signal: interruption.signal }));
    console.log(`\nAll is well, seed ${options.seed}.`);
    process.exit(0);
  }
  const report = await run({ ...options, signal: interruption.signal });
  const file = writeReport(options, report);
  console.log(
    `\n${report.violation ? 'A violation was found' : 'All is well'}, seed ${options.seed}. Report: ${file}`,
  );
  process.exit(report.violation ? 1 : 0);
} catch (error) {
  if (error instanceof Broken) {
    console.log(`\nVIOLATION, seed ${options.seed}\n${error.message}\nLogs: ${options.reports}`);
    process.exit(1);
  }
  console.error(`The check could not run: ${(error as Error).stack}`);
  process.exit(2);
}
