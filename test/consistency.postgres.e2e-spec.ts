import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** One replacement in the built program. */
type Patch = [text: string, replacement: string];

/** Each is a bug that a feed of this kind may have, and what the checker has to call it. */
const BUGS: [name: string, kinds: string[], patches: Patch[]][] = [
  [
    'the cursor is the time of day',
    ['lost'],
    [['SELECT user_id, clock FROM', 'SELECT user_id, now()::timestamptz(3) AS clock FROM']],
  ],
  [
    'a tick is taken without the lock',
    ['lost', 'stale'],
    [
      [
        `UPDATE feeds
    SET clock = greatest(date_trunc('milliseconds', clock_timestamp()), clock + interval '1 millisecond')
    WHERE user_id = \${userId}
    RETURNING user_id, clock`,
        `SELECT user_id, date_trunc('milliseconds', clock_timestamp()) AS clock FROM feeds WHERE user_id = \${userId}`,
      ],
      [' FOR NO KEY UPDATE`', '`'],
      // Without a clock that moves, the latest change has to do.
      [
        'SELECT user_id, clock FROM feeds',
        // One line: the text is in single quotes.
        'SELECT user_id, coalesce((SELECT max(datetime) FROM change_events c WHERE c.user_id = feeds.user_id), ' +
          'clock) AS clock FROM feeds',
      ],
    ],
  ],
  [
    '`since` is inclusive',
    ['delivered-twice'],
    [['user_id = f.user_id AND datetime > $2', 'user_id = f.user_id AND datetime >= $2']],
  ],
  [
    'a page that is cut has the cursor of the whole feed',
    ['lost'],
    [['(hasMore ? last : clock)', '(clock)']],
  ],
];

const SEED = Number(process.env.TEST_SEED ?? 1) % 2 ** 31;

describe('the checker of consistency', () => {
  let program: string;
  beforeAll(() => {
    program = mkdtempSync(join(process.env.TEST_DIRECTORY!, 'program-'));
    cpSync('package.json', join(program, 'package.json'));
    symlinkSync(resolve('node_modules'), join(program, 'node_modules'));
  });
  afterAll(() => rmSync(program, { recursive: true }));

  function build(patches: Patch[]): void {
    const dist = join(program, 'dist');
    rmSync(dist, { recursive: true, force: true });
    cpSync('dist', dist, { recursive: true });
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.js'),
    );
    for (const [text, replacement] of patches) {
      const found = files.filter((file) => readFileSync(join(dist, file), 'utf8').includes(text));
      expect({ text, files: found }).toEqual({ text, files: [expect.any(String)] });
      const [before, after, more] = readFileSync(join(dist, found[0]), 'utf8').split(text);
      expect(more).toBeUndefined();
      writeFileSync(join(dist, found[0]), before + replacement + after);
    }
  }

  /** Its exit code, and the kind of violation that it found. */
  async function check(
    seed: number,
    duration: number,
  ): Promise<{ code: number; output: string; kind?: string }> {
    const options = ['--seed', String(seed), '--duration', String(duration), '--servers', '1'];
    const load = ['--developers', '1', '--writers', '6'];
    const fault = ['--faults', 'write held open before its commit'];
    const args = ['scripts/tool.mjs', 'consistency', '--program', program, ...options, ...load, ...fault];
    const [code, output] = await new Promise<[number, string]>((done) => {
      const child = execFile(process.execPath, args, (_, stdout, stderr) =>
        done([child.exitCode!, stdout + stderr]),
      );
    });
    const [, kind] = /VIOLATION \((.+)\)/.exec(output) ?? [];
    return { code, output, kind };
  }

  it.each(BUGS)('finds it when %s', async (name, kinds, patches) => {
    build(patches);
    const { code, output, kind } = await check(SEED + BUGS.findIndex(([bug]) => bug === name), 30);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('VIOLATION') });
    expect(kinds).toContain(kind);
  });

  it('finds nothing in the program as it is', async () => {
    build([]);
    const { code, output } = await check(SEED + BUGS.length, 8);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('All is well') });
  });
});
