import type { EntityManager } from 'typeorm';
import PgBoss from 'pg-boss';

/** Runs SQL for pg-boss outside any transaction. Set when the DataSource is there. */
let execute: PgBoss.Db['executeSql'] = () =>
  Promise.reject(new Error('jobs are not connected to a database'));

export function connectJobs(executeSql: PgBoss.Db['executeSql']): void {
  execute = executeSql;
}

/**
 * Durable background work, in the schema `pgboss` of our own database. One for the process, like the DataSource: TypeORM
 * makes its subscribers itself, so they cannot be given one.
 */
export const boss = new PgBoss({
  db: { executeSql: (text, values) => execute(text, values) },
  // Looks for jobs whose process died, in seconds; together with `expireInSeconds` of a queue, how long they wait.
  maintenanceIntervalSeconds: 5,
  schedule: false,
});

/** Sends a job in the caller's transaction: it exists exactly if the change that made it necessary does. */
export async function sendJob(manager: EntityManager, queue: string, data: object): Promise<void> {
  const executeSql = async (text: string, values: unknown[]) => ({ rows: await manager.query(text, values) });
  await boss.send(queue, data, { db: { executeSql } });
}
