import { Client, type ClientBase, Pool, type PoolClient, type QueryResult } from 'pg';
import { DataSource, type DataSourceOptions, type EntityManager } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { EmbeddedPostgres } from './embedded/embedded-postgres.js';
import type { Replicas } from './replicas.js';

/** Key of the advisory lock of `withStartupLock`: any constant that is ours. */
const STARTUP_LOCK = 7_432_633_765;

/**
 * A DataSource that starts the embedded database before it connects, if there is one; closing it closes both.
 * It adds what TypeORM lacks: statements for streams, reads from replicas, a startup lock.
 */
export class TidemarkDataSource extends DataSource {
  private embedded?: EmbeddedPostgres;
  private probe?: Pool;

  /** Runs on each new connection of the pool before its first use. If it fails, so does the connection. */
  checkConnection: (client: ClientBase) => Promise<void> = () => Promise.resolve();

  /** @param embeddedIn directory of the embedded database; undefined for a server named in the options */
  constructor(
    options: DataSourceOptions,
    private readonly embeddedIn: string | undefined,
    private readonly replicas: Replicas,
  ) {
    super(options);
  }

  override async initialize(): Promise<this> {
    if (this.embeddedIn !== undefined) {
      this.embedded = await EmbeddedPostgres.start(this.embeddedIn);
      this.setOptions({ host: this.embedded.host });
    }
    try {
      return await super.initialize();
    } catch (error) {
      await this.embedded?.stop();
      if (this.embedded) throw error;
      throw new Error(`The database of DATABASE_URL cannot be used: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  override async destroy(): Promise<void> {
    await super.destroy();
    await this.probe?.end();
    await this.replicas.end();
    await this.embedded?.stop();
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
    const rows = await this.replicas.read<Row>(sql, parameters);
    return rows && isEnough(rows) ? rows : this.execute(sql, parameters);
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
   * @throws Error after 5 s
   */
  async ping(): Promise<void> {
    // The embedded database is one session.
    if (this.embedded) await this.execute('SELECT 1', []);
    else await (this.probe ??= this.createProbe()).query('SELECT 1');
  }

  private createProbe(): Pool {
    const timeout = 5_000;
    const options = { max: 1, connectionTimeoutMillis: timeout, query_timeout: timeout };
    const probe = new Pool({ ...this.pool.options, ...options });
    // A lost idle connection is replaced by the pool.
    probe.on('error', () => {});
    return probe;
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
    const client = new Client(this.pool.options);
    // If the connection fails, the query below fails, too.
    client.on('error', () => {});
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
