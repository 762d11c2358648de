import { Logger } from '@nestjs/common';
import { Pool } from 'pg';
import { checkSessions } from './check-sessions.js';
import { PostgresClient } from './postgres-client.js';

/** Circuit breaker: ms that a replica is left out after a failure, so that not every request waits for it. */
const PAUSE = 5_000;

/**
 * ms for a connection and for an answer. Reads of the feed take a few ms: the primary answers sooner than
 * this.
 */
const TIMEOUT = 5_000;

/**
 * Streaming replicas, in turn. A replica may lag or fail; callers check the answer and fall back to the
 * primary.
 */
export class Replicas {
  private readonly logger = new Logger(Replicas.name);
  private readonly replicas: {
    pool: Pool;
    /** Behind a pooler that shares sessions, a prepared statement could be that of another client. */
    checked?: Promise<void>;
    /** Of `performance.now()`: the wall clock may step. */
    pausedUntil: number;
  }[];
  private turn = 0;

  /**
   * Connects lazily, at the first read: a server starts without its replicas.
   *
   * @param poolSize connections to each
   */
  constructor(urls: readonly string[], poolSize: number) {
    this.replicas = urls.map((connectionString) => {
      const pool = new Pool({
        Client: PostgresClient,
        connectionString,
        max: poolSize,
        application_name: 'tidemark',
        connectionTimeoutMillis: TIMEOUT,
        query_timeout: TIMEOUT,
      });
      // A lost idle connection is replaced by the pool; without a handler it would end the process.
      pool.on('error', () => {});
      return { pool, pausedUntil: 0 };
    });
  }

  /** In the order of DATABASE_REPLICA_URL. */
  get pools(): Pool[] {
    return this.replicas.map(({ pool }) => pool);
  }

  /** @returns undefined when no replica could be asked, or the one that was has failed */
  async read<Row>(sql: string, parameters: unknown[]): Promise<Row[] | undefined> {
    const usable = this.replicas.filter(({ pausedUntil }) => pausedUntil <= performance.now());
    if (usable.length === 0) return undefined;
    const replica = usable[this.turn++ % usable.length];
    try {
      await (replica.checked ??= checkSessions(replica.pool.options));
      return (await replica.pool.query(sql, parameters)).rows as Row[];
    } catch (error) {
      replica.checked = undefined;
      replica.pausedUntil = performance.now() + PAUSE;
      this.logger.warn({ err: error }, 'a replica has failed');
      return undefined;
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.replicas.map(({ pool }) => pool.end()));
  }
}
