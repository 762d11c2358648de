import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { type Patch, usePlantedProgram } from '../support/planted-program.js';

/** Bugs that a feed may have when its database goes back in time. */
const BUGS: [name: string, patches: Patch[]][] = [
  ['a lost cursor is not refused', [['since > this.beginning ? []', 'true ? []']]],
  [
    'a tick may be one of the lost time',
    [["clock + interval '1 millisecond', ${FIRST_TICK})", "clock + interval '1 millisecond')"]],
  ],
];

const SEED = Number(process.env.TEST_SEED ?? 1) % 2 ** 31;

describe('the checker of lost time', () => {
  const program = usePlantedProgram();

  async function check(duration: number): Promise<{ code: number; output: string }> {
    const options = ['--lost-time', '--seed', String(SEED), '--duration', String(duration)];
    const args = ['scripts/tool.mjs', 'consistency', '--program', program.directory, ...options];
    const [code, output] = await new Promise<[number, string]>((done) => {
      const child = execFile(process.execPath, args, (_, stdout, stderr) =>
        done([child.exitCode!, stdout + stderr]),
      );
    });
    return { code, output };
  }

  it.each(BUGS)('finds it when %s', async (_name, patches) => {
    program.build(patches);
    const { code, output } = await check(25);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('VIOLATION') });
  });

  it('finds nothing in the program as it is', async () => {
    program.build([]);
    const { code, output } = await check(25);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('All is well') });
  });
});
