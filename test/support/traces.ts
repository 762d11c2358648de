// eslint-disable-next-line @typescript-eslint/no-explicit-any -- rows of any query
type Query = (sql: string, values?: unknown[]) => Promise<any[]>;

/**
 * Looks through every table of the database for a developer: for its `developerId` as text anywhere in a row,
 * and for its `userId` in columns of such ids. The audit log aside, which keeps its lines.
 *
 * Not a trace of the developer: changes in feeds of its followers, which need the tombstones of the items that
 * they have lost. They name the `userId`, which then names no developer.
 *
 * @returns the tables with such rows
 */
export async function tracesOf(
  query: Query,
  { userId, developerId }: { userId: number; developerId: string },
): Promise<string[]> {
  const tables = await query(
    `SELECT table_schema || '.' || quote_ident(table_name) AS name,
      (SELECT array_agg(column_name::text) FROM information_schema.columns c
       WHERE (c.table_schema, c.table_name) = (t.table_schema, t.table_name)
         AND column_name ~ '(^|_)user_id$|^collection_id$') AS ids
     FROM information_schema.tables t
     WHERE table_schema IN ('public', 'pgboss') AND table_type = 'BASE TABLE'
     ORDER BY 1`,
  );
  const found: string[] = [];
  for (const { name, ids } of tables as { name: string; ids: string[] | null }[]) {
    if (name === 'public.audit_log') continue;
    const feeds = name === 'public.change_events' ? ['user_id', 'collection_id'] : (ids ?? []);
    const conditions = [`position($1 IN t::text) > 0`, ...feeds.map((column) => `${column} = $2`)];
    const [{ count }] = await query(
      `SELECT count(*)::int AS count FROM ${name} t WHERE $2::int IS NOT NULL AND (${conditions.join(' OR ')})`,
      [developerId, userId],
    );
    if (count > 0) found.push(name.replace(/^public\./, ''));
  }
  return found;
}

export async function userIdOf(query: Query, developerId: string): Promise<number> {
  const [{ user_id }] = await query('SELECT user_id FROM developers WHERE developer_id = $1', [developerId]);
  return user_id;
}

/** Is the background part of the erasure over? */
export const isErased = async (query: Query, userId: number): Promise<boolean> =>
  (await query('SELECT FROM developers WHERE user_id = $1', [userId])).length === 0;
