import { describe, expect, it } from '@jest/globals';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freshDirectory } from './support/embedded-server.js';
import { ADMIN_KEY, createDatabase, ServerProcess } from './support/server.js';

const README = readFileSync('README.md', 'utf8');

const isThere = (program: string) => spawnSync(program, ['--version']).error === undefined;

describe('README.md', () => {
  it('links every page of docs', () => {
    const pages = ['docs', 'docs/decisions', 'docs/spec'].flatMap((directory) =>
      readdirSync(directory)
        .filter((name) => name.endsWith('.md'))
        .map((name) => `${directory}/${name}`),
    );
    expect(
      pages.filter((page) => !README.includes(`](${page}):`) && !README.includes(`](${page}),`)),
    ).toEqual([]);
  });

  // The machine of .ci/run has all three.
  (['bash', 'curl', 'jq'].every(isThere) ? it : it.skip)(
    'has a tour that works as it stands: one line of JSON for each response, and at last only the deletion',
    async () => {
      const [, tour] = /## Two minutes with curl\n([\s\S]*?)\n(?:## |\*\*)/.exec(README)!;
      // Without comments, which an interactive zsh takes for commands.
      const lines = [...tour.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, code]) => code).join('');
      expect(lines).not.toMatch(/(^|\s)#/m);
      const database = await createDatabase();
      const server = await ServerProcess.start(database.env);
      const directory = freshDirectory();
      mkdirSync(join(directory, '.data'), { recursive: true });
      writeFileSync(join(directory, '.data/admin-api-key'), ADMIN_KEY);
      const script = `set -eu -o pipefail\n${lines.replace('http://127.0.0.1:3000', server.url)}`;
      const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: directory });
      await server.stop();
      await database.drop();
      const printed = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(printed).toEqual([
        expect.objectContaining({ status: 'ACTIVE', data: { enabled: false } }),
        expect.objectContaining({ status: 'PENDING_SYNC_CONFIRMATION', data: { enabled: true } }),
        expect.objectContaining({ action: 'created' }),
        expect.objectContaining({ action: 'updated' }),
        expect.objectContaining({ next_sync_url: expect.stringContaining('since=') }),
        expect.objectContaining({ action: 'deleted' }),
        expect.objectContaining({ next_sync_url: expect.stringContaining('since=') }),
      ]);
    },
  );
});
