import pg from 'pg';

export interface RecordedQuery {
  text: string;
  values: unknown[];
}

/**
 * Records all statements that this process sends to PostgreSQL meanwhile, except upkeep: the polling of jobs,
 * webhooks and the clock, and the removal of expired rows.
 */
export async function recordQueries(run: () => Promise<void>): Promise<RecordedQuery[]> {
  const queries: RecordedQuery[] = [];
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called on its client
  const original = pg.Client.prototype.query;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [config, values] = args as [string | RecordedQuery, unknown[]];
    queries.push(typeof config === 'string' ? { text: config, values } : config);
    return Reflect.apply(original, this, args);
  } as typeof original;
  try {
    await run();
  } finally {
    pg.Client.prototype.query = original;
  }
  return queries.filter(
    ({ text }) => !/pgboss\.|pg_advisory_xact_lock|clock_heartbeats|expires_at"? </.test(text),
  );
}
