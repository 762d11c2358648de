import pg from 'pg';
import { until } from './until.js';

const LOCK = 4711;

/**
 * A barrier inside the transactions of a server: writes that meet a condition wait, in the middle of their transaction,
 * while the gate is closed. Made of a trigger and an advisory lock, so the server itself is as it always is.
 */
export class Gate {
  private triggers = 0;

  /** @param session a connection of the test's own, beside the server's */
  private constructor(readonly session: pg.Client) {}

  static async build(databaseUrl: string): Promise<Gate> {
    const session = new pg.Client({ connectionString: databaseUrl });
    await session.connect();
    return new Gate(session);
  }

  /** Puts the gate before some writes of a table. `condition` speaks of NEW and OLD. */
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
   * Waits until so many transactions of the server stand at the gate (`advisory`), behind each other or behind the lock of
   * a table (`relation`).
   */
  waiting(kind: 'advisory' | 'transactionid' | 'relation', count: number): Promise<void> {
    return until(async () => {
      // Within a transaction, whoever has connected since the first look would not be seen.
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
