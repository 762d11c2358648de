import { Client, type Pool } from 'pg';
import { DataSource, type DataSourceOptions, type EntityManager } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { EmbeddedPostgres } from './embedded/embedded-postgres.js';
import type { Replicas } from './replicas.js';

/** Any constant that is ours: the advisory lock of `withStartupLock`. */
const STARTING = 7_432_633_765;

/**
 * A DataSource that starts the embedded database before it connects, when it is asked to; closing it closes both. It
 * knows what the server needs besides TypeORM: reads for streams, migrations, and work for one process at a time.
 */
export class TidemarkDataSource extends DataSource {
  private embedded?: EmbeddedPostgres;

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
    await this.replicas.end();
    await this.embedded?.stop();
  }

  /**
   * One read outside any transaction, through the pool of the driver. `query()`, and awaiting a connection's own
   * promises, links the objects of each statement to those of the next, so that the texts of a long stream pile up
   * until a full garbage collection: streaming 1,000,000 events grew the process by 110 MiB, through the pool by 12.
   *
   * @param sql one of few texts: what varies is in the parameters
   */
  async execute<Row>(sql: string, parameters: unknown[]): Promise<Row[]> {
    return (await this.pool.query(sql, parameters)).rows as Row[];
  }

  /**
   * Like `execute`, of a replica, if there is one and what it knows is enough.
   *
   * @param isEnough has the replica reached the moment that is asked about?
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
   * Like `transaction`, with a first statement that goes along with BEGIN: one round trip for both. Where either fails,
   * PostgreSQL does nothing of what follows.
   *
   * @param first without parameters
   */
  async transactionWithFirstStatement<T>(
    first: string,
    work: (manager: EntityManager) => Promise<T>,
  ): Promise<T> {
    const runner = this.createQueryRunner();
    // As startTransaction() would leave it, so that TypeORM begins no other one.
    Object.assign(runner, { isTransactionActive: true, transactionDepth: 1 });
    try {
      await runner.query(`START TRANSACTION; ${first}`);
      const result = await work(runner.manager);
      await runner.commitTransaction();
      return result;
    } catch (error) {
      // Where the connection is lost, so is the transaction.
      await runner.rollbackTransaction().catch(() => {});
      throw error;
    } finally {
      await runner.release();
    }
  }

  /** The pool of the driver. */
  get pool(): Pool {
    return (this.driver as PostgresDriver & { master: Pool }).master;
  }

  /** Runs pending migrations. */
  async migrate(): Promise<void> {
    await this.withStartupLock(() => this.runMigrations({ transaction: 'each' }));
  }

  /**
   * Runs what only one process at a time may do, such as a change of the schema: processes that start at once queue up
   * on an advisory lock. It is held by a connection beside the pool, which may have only one and needs it for the work.
   */
  async withStartupLock(work: () => Promise<unknown>): Promise<void> {
    if (this.embedded) {
      // The only process on this database.
      await work();
      return;
    }
    const client = new Client(this.pool.options);
    // Should it fail, then so does the query below.
    client.on('error', () => {});
    await client.connect();
    try {
      // The first process may need longer than our lock_timeout allows a request.
      await client.query('SET lock_timeout = 0');
      await client.query('SELECT pg_advisory_lock($1)', [STARTING]);
      await work();
    } finally {
      await client.end();
    }
  }
}
