import { join } from 'node:path';
import { statOf } from '../process-table.js';
import { ServerProcess } from '../server-process.js';

/** Prefix of every URL in a response: the same for both servers, so that their responses can be compared. */
const PUBLIC_URL = 'http://127.0.0.1';

const BASELINE = join(import.meta.dirname, 'baseline.mjs');

/** The built server and the baseline, on the same database. */
export interface Pair {
  tidemark: ServerProcess;
  baseline: ServerProcess;
}

/** Starts the built server, which migrates the database. */
export const startTidemark = (databaseUrl: string) =>
  ServerProcess.start({
    DATABASE_URL: databaseUrl,
    PUBLIC_URL,
    ADMIN_API_KEY: 'admin-key-of-the-benchmark-0123456789',
  });

export async function startPair(databaseUrl: string): Promise<Pair> {
  const tidemark = await startTidemark(databaseUrl);
  return {
    tidemark,
    baseline: await ServerProcess.start({ DATABASE_URL: databaseUrl, PUBLIC_URL }, BASELINE),
  };
}

export async function stopPair({ tidemark, baseline }: Pair): Promise<void> {
  await Promise.all([tidemark.stop(), baseline.stop()]);
}

/** Processor time of a server so far, in seconds. Unlike wall time, it does not depend on other load. */
export function cpuSecondsOf({ pid }: ServerProcess): number {
  const fields = statOf(pid)!;
  // utime and stime, in ticks of 10 ms: USER_HZ is 100 on Linux.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
