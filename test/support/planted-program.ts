import { afterAll, beforeAll, expect } from '@jest/globals';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** One replacement in the built program. */
export type Patch = [text: string, replacement: string];

/** A copy of the built program, into which a test plants bugs. One per test file. */
export function usePlantedProgram() {
  const program = { directory: '', build };
  beforeAll(() => {
    program.directory = mkdtempSync(join(process.env.TEST_DIRECTORY!, 'program-'));
    cpSync('package.json', join(program.directory, 'package.json'));
    symlinkSync(resolve('node_modules'), join(program.directory, 'node_modules'));
  });
  afterAll(() => rmSync(program.directory, { recursive: true }));

  /** Copies the program anew. Each text must occur in exactly one place. */
  function build(patches: Patch[]): void {
    const dist = join(program.directory, 'dist');
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
  return program;
}
