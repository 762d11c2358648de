import type { Socket } from 'node:net';
import { Client, type ClientConfig, type QueryResult } from 'pg';
import type { Watchdog } from './watchdog.js';

/**
 * Settings of every session, by a statement after it has been opened: PgBouncer refuses them as parameters of the
 * start.
 *
 * Limits, in ms:
 * - idle_in_transaction_session_timeout: an abandoned transaction must not hold the lock of a feed for ever.
 * - lock_timeout: a write that waits longer for its feed gets 503, instead of piling up.
 * - statement_timeout: no statement of a request takes a second, but a digest of a library of millions, or a page
 *   far into it, may. A migration that needs longer sets it for its own transaction (SET LOCAL).
 *
 * Planner: a generic plan, or statistics that are older than a growing table, mislead it; and every statement of
 * ours has an index that finds its rows in order. Measured without these settings:
 * - jit: a page of 1 ms looked expensive and was compiled to machine code, 700 ms each time.
 * - Sequential and bitmap scans: a chunk of a feed of 1,000,000 changes looked small; PostgreSQL read and sorted
 *   the whole feed, 500 ms.
 */
export const SETTINGS = {
  idle_in_transaction_session_timeout: '30000',
  lock_timeout: '15000',
  statement_timeout: '30000',
  jit: 'off',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
};

const assignments = Object.entries(SETTINGS).map(
  ([name, value]) => `set_config('${name}', '${value}', false)`,
);
const OPEN_SESSION = `SELECT pg_backend_pid() AS pid, ${assignments.join()}`;

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

/** What this room reads of a `Client` beyond its types. */
interface Internals {
  /** False while a statement waits for the end of its answer; undefined while the connection is made. */
  readyForQuery?: boolean;
}

/**
 * Every connection to a PostgreSQL server, of pools and single ones.
 *
 * It prepares every statement that has parameters, once a connection. Parsing and planning took half of
 * PostgreSQL's time of a write and of a page of the feed.
 */
export class PostgresClient extends Client {
  /** Process id of the session in PostgreSQL; undefined until it is open. */
  pid?: number;
  private readonly watchdog?: Watchdog;

  constructor(config: ClientConfig & { watchdog?: Watchdog } = {}) {
    super(config);
    this.watchdog = config.watchdog;
    // A pool handles errors of idle connections only. Between two statements, a connection that PostgreSQL ends would
    // end this process. The next statement fails anyway.
    this.on('error', () => {});
  }

  override connect(): Promise<this>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<this> | void {
    const opened = this.open();
    if (callback === undefined) return opened;
    opened.then(() => callback(null as unknown as Error), callback);
  }

  private async open(): Promise<this> {
    this.watchdog?.watch(this);
    await super.connect();
    try {
      const { rows } = await this.query(OPEN_SESSION);
      this.pid = rows[0].pid;
      return this;
    } catch (error) {
      this.cut(error as Error);
      throw error;
    }
  }

  override query(config: unknown, values?: unknown, callback?: unknown) {
    const query = super.query.bind(this) as (...args: unknown[]) => Promise<QueryResult>;
    if (typeof config !== 'string' || !Array.isArray(values)) return query(config, values, callback);
    return query({ name: nameOf(config), text: config, values }, callback);
  }

  /** Whether an answer of the server is due: to a statement, or to the opening of the connection. */
  get isWaiting(): boolean {
    return (this as Internals).readyForQuery !== true;
  }

  get bytesRead(): number {
    return (this.connection.stream as Socket).bytesRead;
  }

  /** Bytes that the system has not taken yet. */
  get unsent(): number {
    return this.connection.stream.writableLength;
  }

  /** Closes the connection at once. A statement that waits for its answer fails with this error. */
  cut(error: Error): void {
    this.connection.stream.destroy(error);
  }
}
