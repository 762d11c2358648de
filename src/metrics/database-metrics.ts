import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Gauge, Registry } from 'prom-client';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';

/** ms. Prometheus waits 10 s by default. */
const TIMEOUT = 5_000;

/** Tables whose dead rows slow the feed down. */
const TABLES = ['change_events', 'feeds', 'records'];

/** One sample. `metric` is a key of GAUGES. */
interface Sample {
  metric: keyof typeof GAUGES;
  labels: Record<string, string>;
  value: number;
}

/** Names after `tidemark_`, with help and labels. */
const GAUGES = {
  db_oldest_transaction_seconds: ['Age of the oldest transaction in the database.'],
  db_table_rows: ['Estimated rows, by table and state.', 'table', 'state'],
  jobs: ['Background jobs that have not ended, by queue and state.', 'queue', 'state'],
  job_oldest_seconds: ['Age of the oldest job that has not ended, by queue.', 'queue'],
  webhook_endpoints: ['Webhook endpoints, by state.', 'state'],
  webhook_lag_seconds: ['How long the oldest webhook delivery is overdue; endpoints that wait aside.'],
  webhook_wake_ups: ['Changes that the scheduler of webhooks has not looked at.'],
} as const;

/**
 * SQL: all samples in one statement. It reads small tables, first entries of indexes, and statistics, not
 * libraries.
 */
const READ = `
  SELECT 'db_oldest_transaction_seconds' AS metric, json_build_object() AS labels,
    coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 AS value
  FROM pg_stat_activity
  WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  UNION ALL
  SELECT 'db_table_rows', json_build_object('table', relname, 'state', state), rows::float8
  FROM pg_stat_user_tables
  CROSS JOIN LATERAL (VALUES ('live', n_live_tup), ('dead', n_dead_tup)) s (state, rows)
  WHERE schemaname = 'public' AND relname IN (${TABLES.map((table) => `'${table}'`).join()})
  UNION ALL
  SELECT 'jobs', json_build_object('queue', q.name, 'state', s.state), count(j.id)::float8
  FROM pgboss.queue q
  CROSS JOIN (VALUES ('created'), ('retry'), ('active')) s (state)
  LEFT JOIN pgboss.job j ON j.name = q.name AND j.state::text = s.state AND j.state < 'completed'
  GROUP BY q.name, s.state
  UNION ALL
  SELECT 'job_oldest_seconds', json_build_object('queue', q.name),
    greatest(coalesce(extract(epoch FROM clock_timestamp() - min(j.created_on)), 0), 0)::float8
  FROM pgboss.queue q
  LEFT JOIN pgboss.job j ON j.name = q.name AND j.state < 'completed'
  GROUP BY q.name
  UNION ALL
  SELECT 'webhook_endpoints', json_build_object('state', state), number::float8
  FROM (
    SELECT
      count(*) FILTER (WHERE active AND failures = 0) AS healthy,
      count(*) FILTER (WHERE active AND failures > 0) AS failing,
      count(*) FILTER (WHERE NOT active AND disabled_at IS NOT NULL) AS disabled,
      count(*) FILTER (WHERE NOT active AND disabled_at IS NULL) AS paused
    FROM webhook_endpoints
  ) e
  CROSS JOIN LATERAL (
    VALUES ('healthy', healthy), ('failing', failing), ('disabled', disabled), ('paused', paused)
  ) s (state, number)
  UNION ALL
  SELECT 'webhook_lag_seconds', json_build_object(),
    coalesce(max(extract(epoch FROM statement_timestamp() - p.due_at)), 0)::float8
  FROM webhook_endpoints e
  JOIN api_clients c ON c.id = e.client_id
  CROSS JOIN LATERAL (
    SELECT min(due_at) AS due_at FROM webhook_positions
    WHERE endpoint_id = e.id AND due_at <= statement_timestamp()
  ) p
  WHERE e.active AND 'sync:read' = ANY (c.scopes) AND (e.retry_at IS NULL OR e.retry_at <= statement_timestamp())
  UNION ALL
  SELECT 'webhook_wake_ups', json_build_object(), count(*)::float8 FROM webhook_wake_ups`;

/** SQL: seconds. A replica that has replayed all that it got is not behind, however old that is. */
const READ_LAG = `
  SELECT (CASE
    WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE coalesce(greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0), 0)
  END)::float8 AS lag`;

/**
 * The state of the database, read at each scrape. A scrape waits 5 s for it at most; without an answer
 * `tidemark_db_up` is 0, and the gauges of that database are absent rather than old.
 *
 * Every process reports the same state: use `max`, not `sum`.
 */
@Injectable()
export class DatabaseMetrics {
  private readonly logger = new Logger(DatabaseMetrics.name);
  private readonly gauges = new Map<string, Gauge>();
  private readonly up: Gauge;
  private readonly lag: Gauge<'replica'>;
  private refreshing?: Promise<void>;

  constructor(
    registry: Registry,
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
  ) {
    const registers = [registry];
    for (const [name, [help, ...labelNames]] of Object.entries(GAUGES))
      this.gauges.set(name, new Gauge({ name: `tidemark_${name}`, help, labelNames, registers }));
    this.up = new Gauge({ name: 'tidemark_db_up', help: '1: the database answers.', registers });
    this.lag = new Gauge({
      name: 'tidemark_replica_lag_seconds',
      help: 'How far a replica is behind, by its place in DATABASE_REPLICA_URL. Absent: it does not answer.',
      labelNames: ['replica'],
      registers,
    });
  }

  /** Single-flight: scrapes at the same time share one read. Never throws. */
  refresh(): Promise<void> {
    return (this.refreshing ??= Promise.all([this.readState(), this.readLags()])
      .then(() => {})
      .finally(() => (this.refreshing = undefined)));
  }

  private async readState(): Promise<void> {
    const samples = await this.attempt(this.dataSource.look<Sample>(READ), 'the database');
    this.up.set(samples ? 1 : 0);
    for (const [name, [, ...labels]] of Object.entries(GAUGES)) {
      const gauge = this.gauges.get(name)!;
      // A gauge without labels is 0 after a reset, not absent.
      if (labels.length === 0) gauge.remove();
      else gauge.reset();
    }
    for (const { metric, labels, value } of samples ?? []) this.gauges.get(metric)!.set(labels, value);
  }

  private async readLags(): Promise<void> {
    const lags = await Promise.all(
      this.dataSource.replicas.pools.map((pool, i) =>
        this.attempt(pool.query<{ lag: number }>(READ_LAG), `replica ${i + 1}`),
      ),
    );
    this.lag.reset();
    lags.forEach((answer, i) => {
      if (answer) this.lag.set({ replica: String(i + 1) }, answer.rows[0].lag);
    });
  }

  /** @returns undefined: it failed, or took longer than TIMEOUT */
  private async attempt<T>(answer: Promise<T>, name: string): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT} ms`)), TIMEOUT);
    });
    try {
      return await Promise.race([answer, timeout]);
    } catch (error) {
      this.logger.warn({ err: error }, `metrics are without ${name}`);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
