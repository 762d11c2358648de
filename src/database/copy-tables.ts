import type { ClientBase } from 'pg';

/**
 * Rows in memory at a time. A record may have the size of the largest request body (`BODY_LIMIT`), other rows
 * have a few KB.
 */
const ROWS = 1_000;
const ROWS_WITH_JSON = 50;

interface Table {
  /** SQL, as are the names and types of columns. */
  name: string;
  columns: [name: string, type: string][];
  /** Tables that its foreign keys refer to. */
  parents: string[];
}

/** SQL: the name of `c`, from which the search path finds it again. */
const NAME = `CASE WHEN n.nspname = current_schema() THEN quote_ident(c.relname)
  ELSE format('%I.%I', n.nspname, c.relname) END`;

/** SQL: relations of Tidemark and of its jobs. Partitions are read and written through their table. */
const OURS = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname IN (current_schema(), 'pgboss') AND NOT c.relispartition
    AND NOT EXISTS (
      SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )`;

const TABLES = `
  SELECT name,
    (
      SELECT json_agg(json_build_array(quote_ident(attname), format_type(atttypid, atttypmod)) ORDER BY attname)
      FROM pg_attribute
      WHERE attrelid = ours.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    ) AS columns,
    (
      SELECT coalesce(json_agg(${NAME} ORDER BY f.conname), '[]')
      FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE f.conrelid = ours.oid AND f.contype = 'f'
    ) AS parents
  FROM (SELECT c.oid, ${NAME} AS name, n.nspname, c.relname FROM ${OURS} AND c.relkind IN ('r', 'p')) ours
  ORDER BY nspname, relname`;

const SEQUENCES = `SELECT ${NAME} AS name FROM ${OURS} AND c.relkind = 'S'`;

/** Whether the database has nothing of its own: what extensions have made does not count. */
export async function isEmpty(client: ClientBase): Promise<boolean> {
  const { rowCount } = await client.query(`SELECT FROM ${OURS} LIMIT 1`);
  return rowCount === 0;
}

/**
 * Copies all rows and the state of all sequences into the same tables of another database. Within a
 * transaction on both sides.
 *
 * Values travel as text, which PostgreSQL reads back as the same value.
 *
 * @returns number of rows by table
 * @throws Error if the tables are not the same, or a row is missing in the end
 */
export async function copyTables(from: ClientBase, to: ClientBase): Promise<Map<string, number>> {
  const [{ rows: tables }, { rows: same }] = [await from.query<Table>(TABLES), await to.query<Table>(TABLES)];
  if (JSON.stringify(tables) !== JSON.stringify(same)) throw new Error('the two databases have other tables');
  const counts = new Map<string, number>();
  // Of the schema's own rows, such as the page /docs as a client.
  for (const { name } of parentsFirst(tables).toReversed()) await deleteAll(to, name);
  for (const table of parentsFirst(tables)) {
    await copyRows(from, to, table);
    const [read, written] = [await count(from, table.name), await count(to, table.name)];
    if (read !== written) throw new Error(`${table.name} has ${read} rows, of which ${written} were copied`);
    counts.set(table.name, read);
  }
  for (const { name } of (await from.query<{ name: string }>(SEQUENCES)).rows) {
    const { rows } = await from.query(`SELECT last_value, is_called FROM ${name}`);
    await to.query(`SELECT setval('${name}', ${rows[0].last_value}, ${rows[0].is_called})`);
  }
  return counts;
}

/** Topological order: every row finds the rows that its foreign keys refer to. */
function parentsFirst(tables: readonly Table[]): Table[] {
  const sorted: Table[] = [];
  const isDone = (name: string) => sorted.some((table) => table.name === name);
  while (sorted.length < tables.length) {
    const next = tables.find(
      ({ name, parents }) => !isDone(name) && parents.every((parent) => parent === name || isDone(parent)),
    );
    if (!next) throw new Error('foreign keys form a circle');
    sorted.push(next);
  }
  return sorted;
}

async function copyRows(from: ClientBase, to: ClientBase, { name, columns }: Table): Promise<void> {
  const each = (part: (column: string, type: string, n: number) => string) =>
    columns.map(([column, type], n) => part(column, type, n)).join();
  const rows = columns.some(([, type]) => type.startsWith('json')) ? ROWS_WITH_JSON : ROWS;
  const insert = `
    INSERT INTO ${name} (${each((column) => column)}) OVERRIDING SYSTEM VALUE
    SELECT ${each((_, type, n) => `c${n}::${type}`)}
    FROM unnest(${each((_, __, n) => `$${n + 1}::text[]`)}) AS u (${each((_, __, n) => `c${n}`)})`;
  await from.query(
    `DECLARE copied NO SCROLL CURSOR FOR SELECT ${each((column) => `${column}::text`)} FROM ${name}`,
  );
  for (;;) {
    const page = await from.query<(string | null)[]>({ text: `FETCH ${rows} FROM copied`, rowMode: 'array' });
    if (page.rows.length === 0) break;
    await to.query(
      insert,
      columns.map((_, n) => page.rows.map((row) => row[n])),
    );
  }
  await from.query('CLOSE copied');
}

/** Not TRUNCATE, nor DELETE of nothing, both of which the guard of a table refuses. */
async function deleteAll(client: ClientBase, table: string): Promise<void> {
  if ((await count(client, table)) > 0) await client.query(`DELETE FROM ${table}`);
}

async function count(client: ClientBase, table: string): Promise<number> {
  return Number((await client.query<{ count: string }>(`SELECT count(*) FROM ${table}`)).rows[0].count);
}
