import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { createDatabase, type TestDatabase } from './support/server.js';

let database: TestDatabase;
let dataSource: DataSource & { migrate(): Promise<void> };

beforeAll(async () => {
  database = await createDatabase();
  Object.assign(process.env, database.env);
  ({ default: dataSource } = await import('../ormconfig.js'));
  await dataSource.initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

/** Everything in the schema that is ours, one line each. */
async function schema(): Promise<string[]> {
  const rows = await dataSource.query<{ line: string }[]>(`
    SELECT format('%s %s %s', c.relkind, c.relname, c.reloptions) AS line
    FROM pg_class c WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('%s.%s %s %s null=%s identity=%s default=%s', c.relname, a.attnum, a.attname,
      format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL
    SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT format('%s %s %s %s', sequencename, data_type, start_value, increment_by)
    FROM pg_sequences WHERE schemaname = 'public'
    UNION ALL
    SELECT format('%s', proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal`);
  return rows.map(({ line }) => line).sort();
}

it('up, down and up again makes the same schema', async () => {
  const first = await schema();
  expect(first).toContainEqual(expect.stringMatching(/^r records /));
  const { migrations } = dataSource;
  for (let i = 0; i < migrations.length; i++) await dataSource.undoLastMigration();
  const tables = (await schema()).filter((line) => line.startsWith('r '));
  expect(tables).toEqual(['r migrations ']);
  await dataSource.migrate();
  expect(await schema()).toEqual(first);
  expect(await dataSource.query('SELECT count(*)::int FROM migrations')).toEqual([
    { count: migrations.length },
  ]);
});

it('the entities describe exactly the schema that the migrations make', async () => {
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
  expect(upQueries.map(({ query }) => query)).toEqual([]);
});
