import { config } from '../config.js';
import { FairLimit } from '../http/fair-limit.js';

const MIB = 1_024 * 1_024;

/** Bytes. With the embedded database, which takes some 250 MiB of the same process, a quarter. */
const TOTAL = Math.max((config.DATABASE_URL === undefined ? 16 : 64) * MIB, 4 * config.BODY_LIMIT);

/**
 * DoS: limits the bytes of request bodies, or of answers, that a process has in memory: in all, and of one caller.
 *
 * @param name for metrics
 * @param maxWait in ms
 * @param problem details of the 503
 */
export const limitMemory = (name: string, maxWait: number, problem: string) =>
  new FairLimit({ name, total: TOTAL, share: TOTAL / 4, maxWait, problem });
