import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/server.js';
import { withoutGuard } from './support/without-guard.js';

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Heap Fetches'?: number;
  'Actual Rows': number;
  'Actual Loops': number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Plan[];
}

const RECORDS = 100_000;

let app: TestApp;
let userId: number;

beforeAll(async () => {
  app = await startApp();
  await app.developer('dev-many');
  await app.developer('dev-other');
  [{ userId }] = await app.dataSource.query(
    `SELECT user_id AS "userId" FROM developers WHERE developer_id = 'dev-many'`,
  );
  // Every tenth is a TRIP, every hundredth has an error.
  await withoutGuard(
    app.dataSource,
    `INSERT INTO records
     SELECT $1, n, gen_random_uuid(), 'dev-many', CASE WHEN n % 10 = 0 THEN 'TRIP' ELSE 'ROUTE' END, n::text,
       '{"n":1}', '{}', CASE WHEN n % 100 = 0 THEN 'ERROR' ELSE 'ACTIVE' END, now(), now(), now(), 9
     FROM generate_series(1, $2::int) n`,
    [userId, RECORDS],
  );
  await app.dataSource.query('VACUUM ANALYZE records');
}, 120_000);
afterAll(() => app.close());

/** Where a plan reads the records, outermost first. */
const scansOf = (plan: Plan): Plan[] => [
  ...(plan['Relation Name'] === 'records' ? [plan] : []),
  ...(plan.Plans ?? []).flatMap(scansOf),
];

const filters = [
  ['no filter', {}, 90_000, ['records_pkey']],
  ['a type', { resourceTypes: ['ROUTE'] }, 80_000, ['records_of_type']],
  ['a rare type', { resourceTypes: ['TRIP'] }, 9_000, ['records_of_type']],
  ['a type that has no records', { resourceTypes: ['NONE'] }, 0, ['records_of_type']],
  ['ACTIVE', { status: 'ACTIVE' }, 90_000, ['records_pkey']],
  ['ERROR', { status: 'ERROR' }, 900, ['records_of_status']],
  ['a status that has no records', { status: 'PENDING_UPDATE' }, 0, ['records_of_status']],
  ['a type and ACTIVE', { resourceTypes: ['ROUTE'], status: 'ACTIVE' }, 80_000, ['records_of_type']],
  [
    'a type and ERROR',
    { resourceTypes: ['TRIP'], status: 'ERROR' },
    900,
    ['records_of_type', 'records_of_status'],
  ],
] as const;

const ways = ['custom', 'generic'].flatMap(
  (kind) =>
    [
      [kind, undefined],
      [kind, 'routes'],
    ] as const,
);

it.each(filters.flatMap((filter) => ways.map((way) => [...filter, ...way] as const)))(
  'the page at the end of a long list is found in an index alone: %s',
  async (_name, filter, offset, indexes, kind, asset) => {
    const { readPage } = await import('../src/records/read-records.js');
    const [sql, parameters] = readPage({ userId, ...filter }, 100, offset, asset);
    const plan = await app.dataSource.transaction(async (manager): Promise<Plan> => {
      await manager.query(`SET LOCAL plan_cache_mode = force_${kind}_plan`);
      await manager.query(`PREPARE page AS ${sql}`);
      const values = parameters.map((value) => (typeof value === 'number' ? value : `'${String(value)}'`));
      const [row] = await manager.query(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE page(${values.join()})`,
      );
      await manager.query('DEALLOCATE page');
      return row['QUERY PLAN'][0].Plan;
    });
    const [rows, ...others] = scansOf(plan).sort((a, b) => b['Actual Rows'] - a['Actual Rows']);
    const scans = [rows, ...others].filter((scan) => indexes.some((index) => index === scan['Index Name']));
    const page = scans.find((scan) => scan['Node Type'] === 'Index Only Scan');
    expect(page).toBeDefined();
    expect(page!['Heap Fetches']).toBe(0);
    // In blocks of 8 kB: the table has more than 1,000, and each record of the page is looked up twice.
    expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(1_500);
  },
);
