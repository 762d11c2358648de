import { afterEach, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { RECORDS } from './api.js';
import { createDatabase } from './database.js';
import { createDeveloper, ServerProcess } from './server.js';
import { expectExactCopy, SyncClient } from './sync-client.js';
import { until } from './until.js';

const processes: ServerProcess[] = [];
const directories: string[] = [];

/** Ends the servers of each test after it, and removes their directories. */
export function endServersAfterEach(): void {
  afterEach(async () => {
    await Promise.all(processes.splice(0).map((server) => server.stop('SIGKILL')));
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  });
}

/** A server on an embedded database. */
export async function start(DATA_DIR: string, env: Record<string, string> = {}): Promise<ServerProcess> {
  const server = await spawn({ DATA_DIR, ...env });
  await server.ready();
  return server;
}

/** A process that need not come to serve. */
export async function spawn(
  env: Record<string, string>,
  command?: [string, ...string[]],
): Promise<ServerProcess> {
  const server = await ServerProcess.spawn(env, command);
  processes.push(server);
  return server;
}

/** A directory that does not exist yet. */
export function freshDirectory(): string {
  const directory = join(process.env.TEST_DIRECTORY!, `fresh-${randomBytes(6).toString('hex')}`);
  directories.push(directory);
  return directory;
}

/** A directory with an empty, migrated database. */
export async function databaseDirectory(): Promise<string> {
  const { env } = await createDatabase({ embedded: true });
  directories.push(env.DATA_DIR);
  return env.DATA_DIR;
}

/**
 * Crash safety: a server that is killed under load, `rounds` times, has every write that it has acknowledged.
 */
export async function expectWritesToOutliveKills(rounds: number): Promise<void> {
  const directory = await databaseDirectory();
  const acknowledged = new Map<string, string>();
  let server = await start(directory);
  let api = await createDeveloper(server.url, 'dev-1');
  const follower = new SyncClient(api);
  for (let round = 0; round < rounds; round++) {
    const goal = acknowledged.size + 60;
    const writers = ['a', 'b', 'c', 'd'].map(async (name) => {
      for (let n = 0; ; n++) {
        const input = {
          developerId: 'dev-1',
          resourceType: 'ROUTE',
          resourceKey: `${round}-${name}-${n}`,
          data: { n },
        };
        const created = await api.post(RECORDS, input).catch(() => undefined);
        if (created === undefined) return;
        expect(created.status).toBe(201);
        acknowledged.set(created.body.id, created.body.updatedAt);
        if (n % 3 > 0) continue;
        const patched = await api
          .patch(`${RECORDS}/${created.body.id}`, { data: { n: -n } })
          .catch(() => undefined);
        // Without an answer, the write may or may not have happened.
        if (patched?.status !== 200) return void acknowledged.delete(created.body.id);
        acknowledged.set(created.body.id, patched.body.updatedAt);
      }
    });
    // Writers end by themselves only with a failure, which the test must show.
    await Promise.race([until(() => acknowledged.size >= goal), Promise.all(writers)]);
    await server.stop('SIGKILL');
    await Promise.all(writers);
    server = await start(directory);
    api = api.at(server.url);
    follower.moveTo(api);
    await follower.catchUp();
    await expectExactCopy(follower, api, 'dev-1');
    for (const [id, updatedAt] of acknowledged) {
      expect((await api.get(`${RECORDS}/${id}`)).body).toMatchObject({ id, updatedAt });
    }
  }
}
