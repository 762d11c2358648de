import { DataSource, type DataSourceOptions, MigrationExecutor } from 'typeorm';
import { EmbeddedPostgres } from './embedded-postgres.js';

/** Any constant that is ours: who holds this advisory lock may change the schema. */
const MIGRATION_LOCK = 7_432_633_765;

/**
 * A DataSource that, before it connects, starts the embedded database when it is asked to, and, once connected,
 * brings the schema up to date. Closing it closes both.
 */
export class TidemarkDataSource extends DataSource {
  private embedded?: EmbeddedPostgres;

  /** @param embeddedIn directory of the embedded database; undefined for a server named in the options */
  constructor(
    options: DataSourceOptions,
    private readonly embeddedIn: string | undefined,
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
      throw error;
    }
  }

  override async destroy(): Promise<void> {
    await super.destroy();
    await this.embedded?.stop();
  }

  /** Runs pending migrations; processes that start at once queue up on an advisory lock and find nothing left. */
  async migrate(): Promise<void> {
    const queryRunner = this.createQueryRunner();
    try {
      // The first process may need longer than our lock_timeout allows a request.
      await queryRunner.query('SET lock_timeout = 0');
      await queryRunner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
      try {
        const executor = new MigrationExecutor(this, queryRunner);
        executor.transaction = 'each';
        await executor.executePendingMigrations();
      } finally {
        await queryRunner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
        await queryRunner.query('RESET lock_timeout');
      }
    } finally {
      await queryRunner.release();
    }
  }
}
