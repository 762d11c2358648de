import { config } from '../config.js';

const MIB = 1_024 * 1_024;

/**
 * Bytes of request bodies, and again of answers, that a process has in memory: in all, and for one caller. With the
 * embedded database, which takes some 250 MiB of the same process, a quarter of it.
 */
export const MEMORY_TOTAL = Math.max(
  (config.DATABASE_URL === undefined ? 16 : 64) * MIB,
  4 * config.BODY_LIMIT,
);
export const MEMORY_SHARE = MEMORY_TOTAL / 4;
