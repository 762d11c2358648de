import { config } from '../config.js';
import { FairLimit } from '../http/fair-limit.js';

/** Connections of this process to the database. The embedded database has one. */
const CONNECTIONS = config.DATABASE_URL === undefined ? 1 : config.DATABASE_POOL_SIZE;

/** A heavy read (a digest, a page far into a list or of large records) takes all turns of its caller. */
export const ALL_TURNS = Math.max(2, Math.ceil(CONNECTIONS / 2));

/**
 * Turns at the database: one caller has at most half of the connections at a time, and waits for more outside of
 * the pool. Without it, the requests of one caller fill the pool, and those of all others queue behind them.
 *
 * Deadlock: never take a turn while holding one. Routes that take their own say so (`TakesOwnTurns`).
 *
 * Writes of a library do without: the lock of its feed admits two at a time (src/feed-clock).
 */
export const turns = new FairLimit({
  name: 'database_turns',
  total: Infinity,
  share: ALL_TURNS,
  maxWait: 10_000,
  problem: 'Too many requests of this developer are waiting for the database.',
});
