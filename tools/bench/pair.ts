import { join } from 'node:path';
import { statOf } from '../process-table.js';
import { ServerProcess } from '../server-process.js';

/** Names it in every URL of an answer, so that answers of the two servers can be compared. */
const PUBLIC_URL = 'http://127.0.0.1';

const FLOOR = join(import.meta.dirname, 'floor.mjs');

/** Our server and the floor, on the same database. */
export interface Pair {
  ours: ServerProcess;
  floor: ServerProcess;
}

/** Starts our server, which migrates the database. */
export const startOurs = (databaseUrl: string) =>
  ServerProcess.start({ DATABASE_URL: databaseUrl, PUBLIC_URL, ADMIN_API_KEY: 'bench-admin' });

export async function startPair(databaseUrl: string): Promise<Pair> {
  const ours = await startOurs(databaseUrl);
  return { ours, floor: await ServerProcess.start({ DATABASE_URL: databaseUrl, PUBLIC_URL }, FLOOR) };
}

export async function stopPair({ ours, floor }: Pair): Promise<void> {
  await Promise.all([ours.stop(), floor.stop()]);
}

/** Time that a server has had on processors until now, in seconds. It does not depend on what else the machine does. */
export function processorTimeOf({ pid }: ServerProcess): number {
  const fields = statOf(pid)!;
  // utime and stime, in ticks of 10 ms: USER_HZ is 100 for every Linux.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
