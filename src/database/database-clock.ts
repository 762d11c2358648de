import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { PeriodicTask } from './periodic-task.js';
import { TidemarkDataSource } from './tidemark-data-source.js';

/*
 * Heartbeat: `clock_heartbeats` keeps the time that the database's clock has reached.
 *
 * A retry, a lease or a throttled login ends at a time of that clock. If the clock stepped back by an hour,
 * all of them would be longer by that hour. But a clock that is behind its heartbeat has stepped back, and
 * then all waits are moved back by the difference, by the process that sees it first.
 *
 * - Exactly once: heartbeat and waits of a table change in one transaction, under a lock of the table.
 * - Complete: the lock waits for transactions that have written a wait by the old clock.
 * - A wait is at most PERIOD + INTERVAL longer for each step, because the heartbeat is at most so old. A
 *   shorter step may stay unnoticed, and so may a step forward that is undone within INTERVAL. While no
 *   process runs, the heartbeat stands still.
 * - A wait that begins in the INTERVAL after the step is moved as well and ends early, as if the clock had
 *   stepped forward. Leases allow for that: they promise at least once.
 */

/** Between two looks at the clock, in each process, in ms. */
const INTERVAL = 1_000;

/** An idle server writes no more often than this. */
const PERIOD = "interval '10 seconds'";

/**
 * ms that a move waits for its table; then it gives way, and the next look tries again. More than the
 * `deadlock_timeout` of PostgreSQL (1 s), after which an autovacuum of the table gives way.
 */
const LOCK_TIMEOUT = 3_000;

/** $1 tables. */
const REGISTER = `
  INSERT INTO clock_heartbeats (table_name, last)
  SELECT unnest($1::text[]), clock_timestamp()
  ON CONFLICT DO NOTHING`;

/** Beats, if it is time. @returns tables whose heartbeat is ahead of the clock, with the step */
const LOOK = `
  WITH beat AS (
    UPDATE clock_heartbeats SET last = clock_timestamp() WHERE last < clock_timestamp() - ${PERIOD}
  )
  SELECT table_name AS table, extract(epoch FROM last - clock_timestamp())::float AS seconds
  FROM clock_heartbeats
  WHERE last > clock_timestamp()`;

/**
 * Ends sessions that have waited for their client or for a row since before the step.
 *
 * PostgreSQL's own timeouts (`idle_in_transaction_session_timeout`, `lock_timeout`, `deadlock_timeout`)
 * compare wall clocks: one that runs during the step fires late by the step, and an abandoned transaction
 * would hold the lock of its feed for so long. Advisory locks are those of processes that start.
 */
const END_ABANDONED = `
  SELECT pg_terminate_backend(pid)
  FROM pg_stat_activity
  WHERE datname = current_database() AND usename = current_user
    AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()
    AND CASE
      WHEN state = 'active' THEN wait_event_type = 'Lock' AND wait_event <> 'advisory'
      ELSE state LIKE 'idle in transaction%'
    END
    AND state_change > clock_timestamp()`;

interface Waits {
  columns: readonly string[];
  condition: string;
}

/** Keeps waits as long as they are, when the clock of the database steps back. */
@Injectable()
export class DatabaseClock implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(DatabaseClock.name);
  private readonly waits = new Map<string, Waits>();
  /** Nothing is lost: the next look finds the same step. */
  private readonly fail = (error: unknown) =>
    this.logger.error({ err: error }, 'a step of the clock was not handled');
  private readonly task = new PeriodicTask('database_clock', () => this.look(), this.fail);

  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  /**
   * For rooms that wait by the database's clock: names the columns that move with it. Call it at start. This
   * room does not know its callers.
   *
   * @param table SQL, with its schema unless that is `public`
   * @param columns times that are compared with the clock, and durations that are measured by it
   * @param condition SQL: rows that wait
   */
  move(table: string, columns: readonly string[], condition = `num_nonnulls(${columns.join()}) > 0`): void {
    this.waits.set(table, { columns, condition });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.dataSource.execute(REGISTER, [[...this.waits.keys()]]);
    await this.task.run();
    this.task.start(INTERVAL);
  }

  onModuleDestroy(): Promise<void> {
    return this.task.stop();
  }

  private async look(): Promise<void> {
    const steps = await this.dataSource.execute<{ table: string; seconds: number }>(LOOK, []);
    if (steps.length === 0) return;
    this.logger.warn({ steps }, 'the clock of the database has stepped back: waits are moved');
    await this.dataSource.execute(END_ABANDONED, []);
    for (const { table } of steps) {
      const waits = this.waits.get(table);
      if (waits) await this.dataSource.pool.query(moveBack(table, waits)).catch(this.fail);
    }
  }
}

/**
 * SQL: moves the waits of a table back by the step, unless another process has done it. One message and one
 * transaction.
 *
 * EXCLUSIVE: weaker modes let in transactions that lock a row now and update it later, a deadlock. Reads go
 * on.
 */
const moveBack = (table: string, { columns, condition }: Waits) => `
  SET LOCAL lock_timeout = ${LOCK_TIMEOUT};
  LOCK TABLE ${table} IN EXCLUSIVE MODE;
  WITH stepped AS (
    SELECT last - clock_timestamp() AS step FROM clock_heartbeats
    WHERE table_name = '${table}' AND last > clock_timestamp()
  ),
  beat AS (
    UPDATE clock_heartbeats SET last = last - step FROM stepped WHERE table_name = '${table}'
  )
  UPDATE ${table} SET ${columns.map((column) => `${column} = ${column} - step`).join()}
  FROM stepped WHERE ${condition}`;
