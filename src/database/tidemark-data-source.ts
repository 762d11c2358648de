import { type ClientBase, Pool, type PoolClient, type PoolOptions, type QueryResult } from 'pg';
import { DataSource, type DataSourceOptions, type EntityManager } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { checkSessions } from './check-sessions.js';
import { EmbeddedPostgres } from './embedded/embedded-postgres.js';
import { PostgresClient } from './postgres-client.js';
import { replicaRead } from '../signals/signals.js';
import type { Replicas } from './replicas.js';
import { hangs, type Question, Watchdog } from './watchdog.js';

/** Key of the advisory lock of `withStartupLock`: any constant that is ours. */
const STARTUP_LOCK = 7_432_633_765;

/** ms that the answer to a readiness probe may take. */
const PING_TIMEOUT = 5_000;

/** $1 process ids. Without `track_activities` all sessions count. */
const WORKING = `SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1) AND state IN ('active', 'disabled')`;

/**
 * A DataSource that starts the embedded database before it connects, if there is one; closing it closes both.
 * It adds what TypeORM lacks: statements for streams, reads from replicas, a startup lock.
 */
export class TidemarkDataSource extends DataSource {
  private embedded?: EmbeddedPostgres;
  private probe?: Pool;
  /** Of the server of DATABASE_URL. Not of the embedded database, which is a part of this process. */
  private readonly watchdog = new Watchdog((pids) => this.ask(pids));

  /** Runs on each new connection of the pool before its first use. If it fails, so does the connection. */
  checkConnection: (client: ClientBase) => Promise<void> = () => Promise.resolve();

  /** @param embeddedIn directory of the embedded database; undefined for a server named in the options */
  constructor(
    options: DataSourceOptions,
    private readonly embeddedIn: string | undefined,
    readonly replicas: Replicas,
  ) {
    super(options);
  }

  override async initialize(): Promise<this> {
    if (this.embeddedIn !== undefined) {
      this.embedded = await EmbeddedPostgres.start(this.embeddedIn);
      this.setOptions({ host: this.embedded.host });
    } else this.setOptions({ extra: { ...this.options.extra, watchdog: this.watchdog } });
    try {
      await super.initialize();
      if (this.embedded) await this.embedded.serve((sql) => this.execute(sql, []));
      else await checkSessions(this.unwatched);
      return this;
    } catch (error) {
      if (this.isInitialized) await super.destroy();
      await this.embedded?.stop();
      if (this.embedded) throw error;
      throw new Error(`The database of DATABASE_URL cannot be used: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  override async destroy(): Promise<void> {
    await this.embedded?.stopServing();
    await super.destroy();
    this.watchdog.stop();
    await this.probe?.end();
    await this.replicas.end();
    await this.embedded?.stop();
  }

  /** From now on, a database that hangs is noticed. Not for migrations, which may be silent for long. */
  watch(): void {
    if (!this.embedded) this.watchdog.start();
  }

  /**
   * One statement outside any transaction, through the pool of the driver.
   *
   * Memory: TypeORM's `query()` links the objects of each statement to those of the next, so that the texts
   * of a long stream pile up until a full garbage collection. Streaming 1,000,000 events grew the process by
   * 110 MiB, through the pool by 12.
   *
   * @param sql one of few texts (each is prepared once a connection); values go into the parameters
   */
  async execute<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    return (await this.pool.query(sql, parameters)).rows as Row[];
  }

  /**
   * Like `execute` for a read, from a replica if there is one and its answer is recent enough; else from the
   * primary.
   *
   * @param isEnough whether the replica has reached the state that the caller needs
   */
  async readFromReplica<Row>(
    sql: string,
    parameters: unknown[],
    isEnough: (rows: Row[]) => boolean,
  ): Promise<Row[]> {
    if (this.replicas.pools.length === 0) return this.execute(sql, parameters);
    const rows = await this.replicas.read<Row>(sql, parameters);
    const isServed = rows !== undefined && isEnough(rows);
    replicaRead.publish({ result: isServed ? 'served' : rows ? 'behind' : 'unavailable' });
    return isServed ? rows : this.execute(sql, parameters);
  }

  /**
   * Like `transaction`, with a first statement that is sent together with BEGIN: one round trip for both. If
   * either fails, PostgreSQL refuses all that follows.
   *
   * @param first without parameters
   * @param work gets whether the first statement found a row
   */
  async transactionWithFirstStatement<T>(
    first: string,
    work: (manager: EntityManager, hasFound: boolean) => Promise<T>,
  ): Promise<T> {
    const runner = this.createQueryRunner();
    // The private state that startTransaction() would leave, so that TypeORM begins no second transaction.
    Object.assign(runner, { isTransactionActive: true, transactionDepth: 1 });
    try {
      // TypeORM drops the results of a query of two statements.
      const connection = (await runner.connect()) as PoolClient;
      const results = await connection.query(`START TRANSACTION; ${first}`);
      const [, { rowCount }] = results as unknown as QueryResult[];
      const result = await work(runner.manager, rowCount! > 0);
      await runner.commitTransaction();
      return result;
    } catch (error) {
      // If the connection is lost, so is the transaction.
      await runner.rollbackTransaction().catch(() => {});
      throw error;
    } finally {
      await runner.release();
    }
  }

  /**
   * Readiness: whether a statement gets through, on a connection of its own. The pool may be busy: then requests
   * are slow, but this server is not to be taken out of service for it.
   *
   * @throws Error after 5 s, or at once while the database hangs
   */
  async ping(): Promise<void> {
    await this.look('SELECT 1');
  }

  /** A short statement beside the pool, for probes and metrics. @throws Error after 5 s */
  async look<Row>(sql: string): Promise<Row[]> {
    // The embedded database is one session.
    if (this.embedded) return this.execute(sql, []);
    if (this.watchdog.isHanging) throw hangs();
    const probe = (this.probe ??= this.createProbe());
    let timer: NodeJS.Timeout;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(hangs()), PING_TIMEOUT);
    });
    const answer = probe.query(sql).finally(() => clearTimeout(timer));
    return (await Promise.race([answer, deadline])).rows as Row[];
  }

  private createProbe(): Pool {
    // One for the probes, one for the metrics.
    const limits = { max: 2, connectionTimeoutMillis: PING_TIMEOUT, query_timeout: PING_TIMEOUT };
    const probe = new Pool({ ...this.unwatched, ...limits });
    // A lost idle connection is replaced by the pool.
    probe.on('error', () => {});
    return probe;
  }

  /** Asks the server, on a new connection, which of these sessions work. */
  private ask(pids: number[]): Question {
    const client = new PostgresClient(this.unwatched);
    const answer = client.connect().then(() => client.query(WORKING, [pids]));
    return {
      answer: answer.then(({ rows }) => rows.map(({ pid }) => pid as number)),
      end: () => client.cut(hangs()),
    };
  }

  /** Options of a connection that is made also while the database hangs. */
  private get unwatched(): PoolOptions {
    return { ...this.pool.options, watchdog: undefined } as PoolOptions;
  }

  /** The pool of the driver. */
  get pool(): Pool {
    return (this.driver as PostgresDriver & { master: Pool }).master;
  }

  /**
   * Runs pending migrations.
   *
   * @throws Error if a newer program has migrated the database: this one would write by rules that no longer hold
   */
  async migrate(): Promise<void> {
    await this.withStartupLock(async () => {
      await this.refuseNewerSchema();
      await this.runMigrations({ transaction: 'each' });
    });
  }

  private async refuseNewerSchema(): Promise<void> {
    const [{ exists }] = await this.execute<{ exists: boolean }>(
      `SELECT to_regclass('migrations') IS NOT NULL AS exists`,
      [],
    );
    if (!exists) return;
    const applied = await this.execute<{ name: string }>('SELECT name FROM migrations ORDER BY id', []);
    const known = this.migrations.map(({ name, constructor }) => name ?? constructor.name);
    const newer = applied.filter(({ name }) => !known.includes(name)).at(-1);
    if (newer)
      throw new Error(
        `the database has schema ${newer.name}, of a newer version of Tidemark; this version knows schemas up to ` +
          `${known.at(-1)}. Start the newer version, or restore a backup from before it`,
      );
  }

  /**
   * Mutual exclusion of processes, for work such as migrations: processes that start at once queue on an
   * advisory lock. A connection beside the pool holds it, because the pool may have only one, which the work
   * needs.
   */
  async withStartupLock(work: () => Promise<unknown>): Promise<void> {
    if (this.embedded) {
      // This is the only process on the embedded database.
      await work();
      return;
    }
    const client = new PostgresClient(this.unwatched);
    await client.connect();
    try {
      // The first process may need longer than our lock_timeout allows a request.
      await client.query('SET lock_timeout = 0');
      await client.query('SELECT pg_advisory_lock($1)', [STARTUP_LOCK]);
      await work();
    } finally {
      await client.end();
    }
  }
}
