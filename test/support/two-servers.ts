import { afterAll, beforeAll } from '@jest/globals';
import { createDatabase, type TestDatabase } from './database.js';
import { Gate } from './gate.js';
import { ServerProcess } from './server.js';

export interface TwoServers {
  database: TestDatabase;
  servers: ServerProcess[];
  gate: Gate;
  /** Rows of a statement on the connection of the test. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads any row
  query: (sql: string, values?: unknown[]) => Promise<any[]>;
}

/**
 * Two server processes on one new PostgreSQL database, for all tests of a test file.
 *
 * @returns its members are set before the first test runs
 */
export function useTwoServers(): TwoServers {
  const all = {
    query: async (sql, values = []) => (await all.gate.session.query(sql, values)).rows,
  } as TwoServers;
  beforeAll(async () => {
    all.database = await createDatabase();
    all.gate = await Gate.build(all.database.env.DATABASE_URL);
    all.servers = await Promise.all([1, 2].map(() => ServerProcess.start(all.database.env)));
  });
  afterAll(async () => {
    await Promise.all(all.servers.map((server) => server.stop()));
    await all.gate.end();
    await all.database.drop();
  });
  return all;
}
