import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { type Patch, usePlantedProgram } from '../support/planted-program.js';

/** A process sees no WAL that is gone: the second witness of a restore, beside the identity of the database. */
const BLIND: Patch = ['Number(state.walBytes) < walBytes', 'false'];

/** Bugs that a feed may have when its database goes back in time, and the faults that show them. */
const BUGS: [name: string, faults: string, patches: Patch[]][] = [
  ['a lost cursor is not refused', 'promotion', [['since > this.beginning ? []', 'true ? []']]],
  [
    'a tick may be one of the lost time',
    'promotion',
    [["clock + interval '1 millisecond', ${FIRST_TICK})", "clock + interval '1 millisecond')"]],
  ],
  [
    'a process remembers developers of the lost time',
    'promotion',
    [
      ['for (const forget of this.forgetters)', 'for (const forget of [])'],
      ['if (isRestored)\n', 'if (false)\n'],
      [' AND developer_id = ${escapeLiteral(developerId)}', ''],
      // For ever, not for 4 s.
      ['{ max: 100_000, ttl: MAX_AGE }', '{ max: 100_000 }'],
    ],
  ],
  [
    'a new timeline is not noticed',
    'promotion,base backup',
    [BLIND, ['substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline', "'1' AS timeline"]],
  ],
  [
    'a new database is not noticed',
    'dump',
    [
      ['SELECT oid::bigint FROM pg_database', 'SELECT 0::bigint FROM pg_database'],
      ["'developers'::regclass::oid::bigint", '0::bigint'],
    ],
  ],
  [
    '`npm run restored` does nothing',
    'declared snapshot',
    [['`s.begins_at = to_timestamp(', '`false AND s.begins_at = to_timestamp(']],
  ],
  ['pruned cursors are not refused', 'none', [['if (feed.floor && ', 'if (false && ']]],
  ['the digest is another one', 'none', [["':p:'", "':o:'"]]],
  [
    'no webhook announces a new history',
    'none',
    [['WHERE p.ends_at IS NULL AND p.scanned', 'WHERE false AND p.scanned']],
  ],
];

const SEED = Number(process.env.TEST_SEED ?? 1) % 2 ** 31;

describe('the checker of lost time', () => {
  const program = usePlantedProgram();

  async function check(duration: number, ...more: string[]): Promise<{ code: number; output: string }> {
    const options = ['--lost-time', '--seed', String(SEED), '--duration', String(duration), ...more];
    const args = ['scripts/tool.mjs', 'consistency', '--program', program.directory, ...options];
    const [code, output] = await new Promise<[number, string]>((done) => {
      const child = execFile(process.execPath, args, (_, stdout, stderr) =>
        done([child.exitCode!, stdout + stderr]),
      );
    });
    return { code, output };
  }

  it.each(BUGS)('finds it when %s', async (_name, faults, patches) => {
    program.build(patches);
    const { code, output } = await check(15, '--faults', faults);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('VIOLATION') });
  });

  it('finds nothing in the program as it is', async () => {
    program.build([]);
    const { code, output } = await check(25);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('All is well') });
  });
});
