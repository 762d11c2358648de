import { describe, expect, it } from '@jest/globals';
import { RECORDS } from './support/api.js';
import {
  databaseDirectory,
  endServersAfterEach,
  expectWritesToOutliveKills,
  freshDirectory,
  spawn,
  start,
} from './support/embedded-server.js';
import { expectError } from './support/errors.js';
import { createDeveloper } from './support/server.js';
import { until } from './support/until.js';

endServersAfterEach();

it('an embedded server has every acknowledged write after kill -9 under load', () =>
  expectWritesToOutliveKills(1));

describe('SIGTERM', () => {
  it('lets running requests finish, closes the database and exits with 0', async () => {
    const directory = await databaseDirectory();
    const server = await start(directory);
    const api = await createDeveloper(server.url, 'dev-1');
    const answers: Promise<{ status: number; body: { id: string } } | undefined>[] = [];
    let isOver = false;
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; !isOver; n++) {
        const input = {
          developerId: 'dev-1',
          resourceType: 'ROUTE',
          resourceKey: `${writer}-${n}`,
          data: {},
        };
        const answer = api.post(RECORDS, input).catch(() => undefined);
        answers.push(answer);
        if ((await answer) === undefined) return;
      }
    });
    await until(() => answers.length > 40);
    const { code, signal } = await server.stop('SIGTERM');
    isOver = true;
    await Promise.all(writers);
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    // Whoever got an answer got a good one: nobody was cut off in the middle of a write.
    const given = (await Promise.all(answers)).filter((answer) => answer !== undefined);
    expect(new Set(given.map(({ status }) => status))).toEqual(new Set([201]));

    const next = await start(directory);
    for (const { body } of given)
      expect((await api.at(next.url).get(`${RECORDS}/${body.id}`)).status).toBe(200);
  });
});

describe('a start that cannot work', () => {
  it.each([
    ['a bad setting', { PORT: 'many' }, /^Tidemark cannot start: Bad configuration: PORT [^\n]*\n$/],
    [
      'no database server',
      { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' },
      /^Tidemark cannot start: The database of DATABASE_URL cannot be used: [^\n]*ECONNREFUSED[^\n]*\n$/,
    ],
  ])('ends with 1 and one clear line: %s', async (_name, env, line) => {
    const server = await spawn({
      DATA_DIR: freshDirectory(),
      ...(env as Record<string, string>),
    });
    expect((await server.exited).code).toBe(1);
    expect(server.output).toMatch(line);
  });
});

describe('SHUTDOWN_DELAY', () => {
  it('serves on after SIGTERM, but is not ready; a second signal ends the delay', async () => {
    const server = await start(await databaseDirectory(), { SHUTDOWN_DELAY: '3600' });
    server.child.kill('SIGTERM');
    await until(async () => (await server.admin.get('/health/ready')).status !== 200);
    const probe = await server.admin.get('/health/ready');
    expectError(probe, 503, 'service_unavailable');
    expect(probe.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await server.admin.get('/health/live')).status).toBe(200);
    const { status, headers } = await server.admin.get('/api/v1/api-keys');
    expect({ status, connection: headers.get('connection') }).toEqual({ status: 200, connection: 'close' });
    await until(() => {
      // Within a second of the first one, it is taken for an echo of npm.
      server.child.kill('SIGTERM');
      return server.child.exitCode !== null;
    });
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });
});
