import { Client, type QueryResult } from 'pg';

/**
 * Settings of every session. A statement that is planned without its values, or before PostgreSQL has looked at a table that
 * has grown, is planned from wrong numbers. Every statement of ours has an index that finds its rows in the right order:
 * - A page that takes 1 ms looked expensive, and was compiled to machine code for 700 ms each time.
 * - A chunk of a feed of 1,000,000 changes looked small, and was made by reading and sorting all of the feed, for 500 ms.
 */
export const SESSION = '-c jit=off -c enable_seqscan=off -c enable_bitmapscan=off';

/** Texts beyond so many are not prepared: each connection keeps them all, with their plans, in memory of PostgreSQL. */
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
 * Prepares every statement that has parameters, once for each connection: parsing and planning took PostgreSQL half of the
 * time of a write and of a page of the feed.
 */
export class PreparingClient extends Client {
  override query(config: unknown, values?: unknown, callback?: unknown) {
    const query = super.query.bind(this) as (...args: unknown[]) => Promise<QueryResult>;
    if (typeof config !== 'string' || !Array.isArray(values)) return query(config, values, callback);
    return query({ name: nameOf(config), text: config, values }, callback);
  }
}
