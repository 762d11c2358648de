import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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

/** In MiB: `VmRSS` is the memory now, `VmHWM` the most that it ever was. */
export function memoryOf({ pid }: ServerProcess, what: 'VmRSS' | 'VmHWM'): number {
  const [, kB] =
    new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kB) / 1024;
}

/** Time that a server has had on processors until now, in seconds. It does not depend on what else the machine does. */
export function processorTimeOf({ pid }: ServerProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  // utime and stime, in ticks of 10 ms: USER_HZ is 100 for every Linux.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
