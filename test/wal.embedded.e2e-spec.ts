import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { databaseDirectory } from './support/embedded-server.js';
import { startApp, type TestApp } from './support/server.js';
import { until } from './support/until.js';

const MIB = 1_024 * 1_024;

let app: TestApp;
beforeAll(async () => {
  app = await startApp({ DATABASE_URL: '', DATA_DIR: await databaseDirectory() });
});
afterAll(() => app.close());

/** Bytes of WAL since the last checkpoint: PostgreSQL keeps all of it. */
async function walBytes(): Promise<number> {
  const [{ bytes }] = await app.dataSource.query(
    'SELECT (pg_current_wal_lsn() - redo_lsn)::float AS bytes FROM pg_control_checkpoint()',
  );
  return bytes;
}

it('the WAL of the embedded database does not grow for ever', async () => {
  await app.dataSource.query('CREATE TABLE bulk (bytes bytea)');
  const before = await walBytes();
  for (let n = 0; n < 5; n++)
    await app.dataSource.query(
      `INSERT INTO bulk SELECT decode(string_agg(md5(n::text || random()), ''), 'hex')
       FROM generate_series(1, 512 * 1024) n`,
    );
  expect((await walBytes()) - before).toBeGreaterThan(32 * MIB);
  await until(async () => (await walBytes()) < MIB);
});
