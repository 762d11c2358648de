import { Client, type QueryResult } from 'pg';

/**
 * Planner settings of every session. A generic plan, or statistics that are older than a growing table,
 * mislead the planner; and every statement of ours has an index that finds its rows in order. Measured
 * without these settings:
 * - jit: a page of 1 ms looked expensive and was compiled to machine code, 700 ms each time.
 * - Sequential and bitmap scans: a chunk of a feed of 1,000,000 changes looked small; PostgreSQL read and
 *   sorted the whole feed, 500 ms.
 */
export const SESSION = '-c jit=off -c enable_seqscan=off -c enable_bitmapscan=off';

/**
 * Limit of prepared statements: each connection keeps all of them, with their plans, in PostgreSQL's memory.
 */
const MAX_STATEMENTS = 500;

/** The names of prepared statements, by their SQL: the same in every connection of this process. */
const names = new Map<string, string>();

function nameOf(sql: string): string | undefined {
  const known = names.get(sql);
  if (known !== undefined || names.size >= MAX_STATEMENTS) return known;
  const name = `statement_${names.size + 1}`;
  names.set(sql, name);
  return name;
}

/**
 * Prepares every statement that has parameters, once a connection. Parsing and planning took half of
 * PostgreSQL's time of a write and of a page of the feed.
 */
export class PreparingClient extends Client {
  override query(config: unknown, values?: unknown, callback?: unknown) {
    const query = super.query.bind(this) as (...args: unknown[]) => Promise<QueryResult>;
    if (typeof config !== 'string' || !Array.isArray(values)) return query(config, values, callback);
    return query({ name: nameOf(config), text: config, values }, callback);
  }
}
