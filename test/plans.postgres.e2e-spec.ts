import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { READ_CHANGES, READ_LATEST_CHANGES } from '../src/sync-feed/read-changes.js';
import { startApp, type TestApp } from './support/server.js';
import { withoutGuard } from './support/without-guard.js';

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Heap Fetches'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Plan[];
}

/** Where a plan reads the feed. */
const scansOf = (plan: Plan): Plan[] => [
  ...(plan['Relation Name'] === 'change_events' ? [plan] : []),
  ...(plan.Plans ?? []).flatMap(scansOf),
];

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

// In this order: what PostgreSQL has once found out, it does not forget.
describe.each([
  ['never', 0],
  ['when it had ten rows', 10],
])('a chunk of a long feed, of whose table PostgreSQL has taken statistics %s,', (_when, rows) => {
  let id: number;
  beforeAll(async () => {
    const query = (sql: string, values?: unknown[]) => app.dataSource.query(sql, values);
    await query('ALTER TABLE change_events SET (autovacuum_enabled = off)');
    await withoutGuard(app.dataSource, 'TRUNCATE change_events');
    await app.developer('dev-long');
    [{ id }] = await query(`SELECT user_id AS id FROM developers WHERE developer_id = 'dev-long'`);
    const insert = (from: number, to: number) =>
      withoutGuard(
        app.dataSource,
        `INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
         SELECT $1, '2001-01-01'::timestamptz + n * interval '1 ms', 'created', 'route', 'routes', n, $1
         FROM generate_series($2::int, $3::int) n`,
        [id, from, to],
      );
    await insert(1, rows);
    if (rows > 0) await query('ANALYZE change_events');
    await insert(rows + 1, 1_000_000);
  }, 180_000);

  const explain = (kind: string, sql: string, since: string): Promise<Plan> =>
    app.dataSource.transaction(async (manager) => {
      await manager.query(`SET LOCAL plan_cache_mode = force_${kind}_plan`);
      await manager.query(`PREPARE chunk AS ${sql}`);
      const values = `${id}, '1970-01-01', null, 500, '2001-01-01 00:16:39.990+00', ''${since}`;
      const [row] = await manager.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE chunk(${values})`);
      await manager.query('DEALLOCATE chunk');
      return row['QUERY PLAN'][0].Plan;
    });

  const chunks = [
    ['all changes', 'custom', READ_CHANGES, ''],
    ['all changes', 'generic', READ_CHANGES, ''],
    ['the latest changes', 'custom', READ_LATEST_CHANGES, `, '1970-01-01'`],
    ['the latest changes', 'generic', READ_LATEST_CHANGES, `, '1970-01-01'`],
  ];

  it.each(chunks)(
    'is read without the rest of the feed: %s, with a %s plan',
    async (_name, kind, sql, since) => {
      const plan = await explain(kind, sql, since);
      // In blocks of 8 kB; the feed has more than 10,000.
      expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(100);
    },
  );

  describe('once the table has been vacuumed,', () => {
    beforeAll(() => app.dataSource.query('VACUUM change_events'));

    it.each(chunks)('is read from an index alone: %s, with a %s plan', async (_name, kind, sql, since) => {
      const scans = scansOf(await explain(kind, sql, since)).filter((scan) => scan['Actual Rows'] > 0);
      expect(scans).not.toEqual([]);
      for (const scan of scans)
        expect(scan).toMatchObject({ 'Node Type': 'Index Only Scan', 'Heap Fetches': 0 });
    });
  });
});
