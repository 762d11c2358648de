import { expect, it } from '@jest/globals';
import pg from 'pg';
import { createDatabase, ServerProcess } from './support/server.js';

it('processes that start at once on a new database all come up, and migrate it once', async () => {
  const database = await createDatabase();
  const client = new pg.Client({ connectionString: database.env.DATABASE_URL });
  await client.connect();
  // As a server hands out a new database: empty.
  await client.query('DROP SCHEMA public CASCADE');
  await client.query('CREATE SCHEMA public');

  // Nobody can make a table until all of them stand in line, whatever they wait for.
  await client.query('BEGIN');
  await client.query('LOCK TABLE pg_class IN SHARE MODE');

  const servers = await Promise.all(Array.from({ length: 5 }, () => ServerProcess.spawn(database.env)));
  try {
    const deadline = Date.now() + 30_000;
    for (let waiting = 0; waiting < servers.length;) {
      if (Date.now() > deadline) throw new Error(`only ${waiting} wait:\n${servers[0].output}`);
      const { rows } = await client.query(`
        SELECT count(*)::int AS waiting FROM pg_locks
        WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
      [{ waiting }] = rows;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await client.query('COMMIT');
    await Promise.all(servers.map((server) => server.ready()));
    const { rows } = await client.query('SELECT name FROM migrations ORDER BY id');
    expect(rows).toEqual([...new Set(rows.map(({ name }) => name))].map((name) => ({ name })));
    expect(rows).not.toEqual([]);
    // All of them serve the same database.
    const [first, ...others] = servers;
    const record = { developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: '1', data: {} };
    const { id } = await first.admin.create(record);
    for (const other of others) {
      expect((await other.admin.get(`/api/v1/sync/records/${id}`)).body).toMatchObject(record);
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await client.end();
    await database.drop();
  }
});
