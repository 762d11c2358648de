import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { type Patch, usePlantedProgram } from './support/planted-program.js';

/** Each is a bug that a feed of this kind may have, and what the checker has to call it. */
const BUGS: [name: string, kinds: string[], patches: Patch[]][] = [
  [
    'the cursor is the time of day',
    ['lost'],
    [['born, clock, floor,', 'born, now()::timestamptz(3) AS clock, floor,']],
  ],
  [
    'a tick is taken without the lock',
    ['lost', 'stale'],
    [
      [
        `UPDATE feeds
    SET clock = greatest(
      date_trunc('milliseconds', clock_timestamp()), clock + interval '1 millisecond', \${FIRST_TICK})
    WHERE user_id = \${userId}
    RETURNING user_id, clock, \${CHANGES_FEED}`,
        `SELECT user_id, date_trunc('milliseconds', clock_timestamp()) AS clock, \${CHANGES_FEED}
    FROM feeds WHERE user_id = \${userId}`,
      ],
      ['\n      FOR NO KEY UPDATE`', '`'],
      // Without a clock that moves, the latest change has to do.
      [
        'born, clock, floor,',
        'born, coalesce((SELECT max(datetime) FROM change_events c WHERE c.user_id = feeds.user_id), clock) ' +
          'AS clock, floor,',
      ],
    ],
  ],
  [
    '`since` is inclusive',
    ['delivered-twice'],
    [
      [
        'user_id = f.user_id AND datetime > $2 AND datetime <= $5',
        'user_id = f.user_id AND datetime >= $2 AND datetime <= $5',
      ],
    ],
  ],
  ['a page that is cut has the cursor of the whole feed', ['lost'], [['hasMore ? last : until', 'until']]],
];

const SEED = Number(process.env.TEST_SEED ?? 1) % 2 ** 31;

describe('the checker of consistency', () => {
  const program = usePlantedProgram();

  /** Its exit code, and the kind of violation that it found. */
  async function check(
    seed: number,
    duration: number,
    more: readonly string[] = ['--faults', 'write held open before its commit'],
  ): Promise<{ code: number; output: string; kind?: string }> {
    const options = ['--seed', String(seed), '--duration', String(duration), '--servers', '1'];
    const load = ['--developers', '1', '--writers', '6'];
    const args = [
      'scripts/tool.mjs',
      'consistency',
      '--program',
      program.directory,
      ...options,
      ...load,
      ...more,
    ];
    const [code, output] = await new Promise<[number, string]>((done) => {
      const child = execFile(process.execPath, args, (_, stdout, stderr) =>
        done([child.exitCode!, stdout + stderr]),
      );
    });
    const [, kind] = /VIOLATION \((.+)\)/.exec(output) ?? [];
    return { code, output, kind };
  }

  it.each(BUGS)('finds it when %s', async (name, kinds, patches) => {
    program.build(patches);
    const { code, output, kind } = await check(SEED + BUGS.findIndex(([bug]) => bug === name), 30);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('VIOLATION') });
    expect(kinds).toContain(kind);
  });

  it('finds it when a move to PostgreSQL hands out ids anew', async () => {
    program.build([
      ["await to.query(`SELECT setval('${name}',", "await to.query(`SELECT '${name}', concat("],
    ]);
    const { code, output, kind } = await check(SEED, 20, ['--move', '--faults', 'none']);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('VIOLATION') });
    expect(['order', 'response', 'lost', 'delivered-twice']).toContain(kind);
  });

  it('finds nothing in the program as it is', async () => {
    program.build([]);
    const { code, output } = await check(SEED + BUGS.length, 8);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('All is well') });
  });
});
