// `npm run check:model`: Spin searches the model exhaustively. Each family of runs has to hold as it is, and
// to fail with each planted mistake. README.md explains the output. Needs nothing of the project but Node.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MODEL = join(import.meta.dirname, 'feed-clock.pml');
const MEMORY_MB = 2_000;
const MAX_DEPTH = 10_000;
const TIMEOUT_MS = 600_000;

/** The wall clock stands still, and ticks run ahead of it: every order of steps at the fewest states. */
const STILL = { WALL: 1, STEPS_BACK: 0, LEAD: 7 };
const THREE_ITEMS = { ...STILL, RESTORES: 1, PAGES: 1, ITEMS: 3, WRITES: 5 };

/** Name: values of variants.pml, and the mistakes that each have to be refuted with them. */
const FAMILIES = {
  plain: [
    { WRITERS: 2, WRITES: 5, PAGES: 1 },
    ...['TICK_WITHOUT_LOCK', 'TICK_IS_WALL', 'WALL_AS_CURSOR', 'CLOCK_READ_LATE', 'SINCE_INCLUSIVE'],
    'PAGE_ENDS_AT_CLOCK',
  ],
  restore: [
    { RESTORES: 1, WRITES: 4 },
    ...['NO_HISTORY', 'OPENED_LATE', 'CHECKED_EARLY', 'T0_WITHOUT_LEAD', 'T0_NOT_REFUSED', 'TICK_AT_T0'],
    'BIRTH_IN_LOST_TIME',
  ],
  'two restores': [{ RESTORES: 2 }, 'RESTORED_TOO_SOON'],
  'two feeds': [{ RESTORES: 1, NEIGHBOUR: 1, LIFE: 1 }, 'LOST_FROM_CLOCK', 'LOST_FROM_WITHOUT_LEAD'],
  'two feeds, no lost_from': [{ RESTORES: 1, NEIGHBOUR: 1, LIFE: 1, LOST_FROM: 0 }],
  'restore, contents': [{ RESTORES: 1, WRITES: 4, CONTENT: 1 }, 'CONTENT_TRUSTED'],
  'restore, pages': [THREE_ITEMS, 'PAGE_BY_SINCE', 'PAGE_BY_FIRST'],
  'restore, pages as of first': [{ ...THREE_ITEMS, AS_OF_FIRST: 1 }],
  retention: [
    { RETENTION: 1, PAGES: 1, WRITES: 4 },
    ...['NO_FLOOR', 'FLOOR_OFF_BY_ONE', 'FLOOR_SET_LATER', 'FLOOR_READ_EARLY', 'FLOOR_AHEAD'],
    ...['PRUNED_ABOVE_FLOOR', 'PRUNED_BY_DATETIME', 'PAGE_BELOW_FLOOR', 'PAGE_OF_A_COPY'],
  ],
  'retention, pages as of first': [{ RETENTION: 1, PAGES: 1, WRITES: 4, AS_OF_FIRST: 1 }, 'PAGE_BELOW_FLOOR'],
  'retention, restore': [{ ...STILL, RETENTION: 1, RESTORES: 1, PAGES: 1, WRITES: 4 }, 'SURVIVOR_PRUNED'],
};

const directory = mkdtempSync(join(tmpdir(), 'tidemark-model-'));
process.on('exit', () => rmSync(directory, { recursive: true }));
process.on('SIGINT', () => process.exit(130));

/** @returns what the program printed. @throws Error unless it ends with status 0 */
function run(program, ...args) {
  const options = { cwd: directory, encoding: 'utf8', timeout: TIMEOUT_MS };
  const { status, stdout, stderr, error } = spawnSync(program, args, options);
  if (status === 0) return stdout;
  throw new Error(
    `${program} ${args.join(' ')}: ${error?.message ?? `status ${status}`}\n${stdout}${stderr}`,
  );
}

const valuesOf = (bounds, bug) =>
  Object.entries({ ...bounds, BUG: bug }).map(([name, value]) => `-D${name}=${value}`);

/** Compiles a variant and searches it; with `isShortest` on until no counterexample is shorter. */
function search(values, isShortest) {
  run('spin', '-a', ...values, MODEL);
  // -O1: -O2 compiles for longer than it saves. -w: no warnings about generated code. -DSAFETY: no liveness.
  const options = ['-O1', '-w', '-DSAFETY', `-DMEMLIM=${MEMORY_MB}`, ...(isShortest ? ['-DREACH'] : [])];
  run('gcc', ...options, '-o', 'pan', 'pan.c');
  // -E: a process that waits for ever is no error.
  const report = run('./pan', '-E', `-m${MAX_DEPTH}`, ...(isShortest ? ['-i'] : []));
  const isRefuted = /^pan:\d+: assertion violated/m.test(report);
  // A search that ran out of depth or memory proves nothing.
  const isExhaustive = / errors: 0$/m.test(report) && !/not completed|too small|MEMLIM/.test(report);
  return {
    verdict: isRefuted ? 'refuted' : isExhaustive ? 'holds' : `neither: ${report}`,
    states: Number(/(\d+) states, stored/.exec(report)?.[1]).toLocaleString('en'),
    seconds: Number(/elapsed time ([\d.]+) seconds/.exec(report)?.[1]).toFixed(1),
  };
}

function check() {
  const print = (family, mistake, expected, verdict, states, seconds) =>
    console.log(
      `${family.padEnd(30)}${mistake.padEnd(25)}${expected.padEnd(10)}${verdict.padEnd(10)}` +
        `${states.padStart(11)}${seconds.padStart(9)}`,
    );
  print('family', 'planted mistake', 'expected', 'verdict', 'states', 'seconds');
  let surprises = 0;
  for (const [family, [bounds, ...mistakes]] of Object.entries(FAMILIES)) {
    for (const mistake of ['NONE', ...mistakes]) {
      const expected = mistake === 'NONE' ? 'holds' : 'refuted';
      const { verdict, states, seconds } = search(valuesOf(bounds, mistake));
      print(family, mistake === 'NONE' ? '' : mistake, expected, verdict, states, seconds);
      if (verdict !== expected) surprises++;
    }
  }
  console.log(surprises === 0 ? 'Every verdict is as expected.' : `Not as expected: ${surprises}.`);
  process.exitCode = surprises === 0 ? 0 : 1;
}

/** Prints the shortest story in which a mistake breaks a property. */
function trace(values) {
  search(values, true);
  console.log(run('spin', '-k', 'feed-clock.pml.trail', '-T', '-B', ...values, MODEL));
}

const missing = ['spin', 'gcc'].filter((program) => spawnSync(program, ['--version']).error);
if (missing.length > 0) {
  console.error(`There is no ${missing.join(' and no ')}: apt-get install spin gcc`);
  process.exit(2);
}
const [option, mistake] = process.argv.slice(2);
const [bounds] = Object.values(FAMILIES).find(([, ...mistakes]) => mistakes.includes(mistake)) ?? [];
if (option === undefined) check();
else if (option === '--trace' && bounds) trace(valuesOf(bounds, mistake));
else {
  console.error('Usage: npm run check:model [-- --trace MISTAKE], with a mistake of formal/variants.pml');
  process.exitCode = 2;
}
