import pg from 'pg';
import { until } from './until.js';

/** Key of the advisory lock. */
const LOCK = 4711;

/**
 * A barrier inside the transactions of a server: while the gate is closed, writes that match a condition wait
 * in the middle of their transaction. It is a trigger that takes an advisory lock, so the server itself is
 * unmodified.
 */
export class Gate {
  private triggers = 0;

  /** @param session a database connection of the test, beside those of the server */
  private constructor(readonly session: pg.Client) {}

  static async build(databaseUrl: string): Promise<Gate> {
    const session = new pg.Client({ connectionString: databaseUrl });
    await session.connect();
    return new Gate(session);
  }

  /**
   * Installs the gate in front of some writes of a table.
   *
   * @param writes such as `INSERT OR UPDATE`
   * @param condition SQL on NEW and OLD
   */
  async stop(table: string, writes: string, condition: string): Promise<void> {
    const name = `gate_${++this.triggers}`;
    await this.session.query(`
      CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF ${condition} THEN PERFORM pg_advisory_xact_lock_shared(${LOCK}); END IF;
        RETURN coalesce(NEW, OLD);
      END $$;
      CREATE TRIGGER ${name} BEFORE ${writes} ON ${table} FOR EACH ROW EXECUTE FUNCTION ${name}()`);
  }

  async close(): Promise<void> {
    await this.session.query('SELECT pg_advisory_lock($1)', [LOCK]);
  }

  async open(): Promise<void> {
    await this.session.query('SELECT pg_advisory_unlock_all()');
  }

  /**
   * Waits until exactly so many transactions of the server wait for a lock: at the gate (`advisory`), for
   * another transaction's row lock (`transactionid`), or for a table lock (`relation`).
   */
  waiting(kind: 'advisory' | 'transactionid' | 'relation', count: number): Promise<void> {
    return until(async () => {
      // Within a transaction, pg_stat_activity is a snapshot of its first read, without later connections.
      await this.session.query('SELECT pg_stat_clear_snapshot()');
      const { rows } = await this.session.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE NOT l.granted AND l.locktype = $1 AND a.datname = current_database()`,
        [kind],
      );
      return rows[0].count === count;
    });
  }

  end(): Promise<void> {
    return this.session.end();
  }
}
