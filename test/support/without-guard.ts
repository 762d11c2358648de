import type { DataSource } from 'typeorm';

/** SQL: the guard of records and feeds is off until the transaction ends (docs/decisions/0015-guard.md). */
export const GUARD_OFF = 'SET LOCAL session_replication_role = replica';

/** Runs one statement that fills or changes tables by hand. */
export const withoutGuard = (dataSource: DataSource, sql: string, values?: unknown[]): Promise<unknown> =>
  dataSource.transaction(async (manager) => {
    await manager.query(GUARD_OFF);
    return manager.query(sql, values);
  });
