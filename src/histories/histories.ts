import { Logger } from '@nestjs/common';
import type { ClientBase } from 'pg';
import type { TidemarkDataSource } from '../database/tidemark-data-source.js';
import {
  type DatabaseState,
  declareHistory,
  OPEN_HISTORY,
  READ_STATE,
  SKIP_LOST_IDS,
} from './open-history.js';

/** SQLSTATE cannot_connect_now: the answer is 503 with Retry-After. */
const tryAgain = (message: string) => Object.assign(new Error(message), { code: '57P03' });

const NO_SUCH_TABLE = '42P01';

/** A range of time that was lost, in ms since 1970. */
export interface LostTime {
  /** Exclusive. */
  from: number;
  /** Inclusive: every later tick is after it. */
  to: number;
}

/**
 * Time is the epoch: the histories of the database, and what this process remembers of it.
 *
 * A restore or a failover takes the database back in time. Ticks are times, so all that the lost time can have
 * handed out lies in one range, and every later tick is after it. docs/decisions/0016-histories.md proves why
 * that is enough.
 *
 * Each new connection is checked before its first use. A connection does not outlive a restart or a failover,
 * so no statement reaches a database that was not checked.
 */
export class Histories {
  private readonly logger = new Logger(Histories.name);
  private readonly forgetters: (() => void)[] = [];
  private readonly listeners: (() => void)[] = [];
  private lostTimes: LostTime[] = [];
  /** Identifies what was seen last: the histories, and the start of the database server. */
  private seen?: string;
  private walBytes = 0;

  constructor(private readonly dataSource: TidemarkDataSource) {}

  /** Call it before anything else uses the database. */
  async start(): Promise<void> {
    await this.withClient((client) => this.check(client));
    this.dataSource.checkConnection = (client) => this.check(client);
  }

  /** Registers a cache: `forget` drops all that it has from the database. */
  onForget(forget: () => void): void {
    this.forgetters.push(forget);
  }

  /** Registers what is to be done when a history begins. Other than `onForget`: not when a cache was wrong. */
  onNewHistory(run: () => void): void {
    this.listeners.push(run);
  }

  /** What this process remembers is not what the database has. The next requests look it up again. */
  forget(): void {
    for (const forget of this.forgetters) forget();
  }

  /** Histories so far. 1: nothing was ever lost. */
  get count(): number {
    return this.lostTimes.length;
  }

  /** Start of the present history, in ms since 1970: its ticks are later. 0: nothing was ever lost. */
  get beginning(): number {
    return this.lostTimes.at(-1)!.to;
  }

  /**
   * False for a replica that lags behind a restore, or that still follows the database that was lost.
   *
   * @param history when the history began that the replica is in
   */
  isPresent(history: Date): boolean {
    return history.getTime() === this.beginning;
  }

  /** The lost times that a cursor may be of. None for nearly every cursor. @param since in ms since 1970 */
  lostTimesOf(since: number): LostTime[] {
    return since > this.beginning ? [] : this.lostTimes.filter(({ from, to }) => from < since && since <= to);
  }

  /**
   * Opens a history that cannot be seen from inside, such as that of a restored snapshot of a volume. Ends the
   * connections of all servers, which therefore check.
   */
  async declare(): Promise<LostTime> {
    await this.withClient(async (client) => {
      await this.open(client, declareHistory(this.beginning));
      await client.query(`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND application_name = 'tidemark'
          AND pid <> pg_backend_pid()`);
      this.adopt(await this.read(client));
    });
    return this.lostTimes.at(-1)!;
  }

  /**
   * @throws Error (SQLSTATE 57P03) if the database is a standby, or another one than before: the request that
   * waits for this connection may know ids of the other one
   */
  private async check(client: ClientBase): Promise<void> {
    const before = this.seen;
    let state = await this.read(client);
    if (state.isUnknown || state.hasLostWal) {
      if (await this.open(client, state.isUnknown ? OPEN_HISTORY : declareHistory(this.beginning)))
        this.logger.warn('the database has gone back in time, or has moved: a new history begins');
      state = await this.read(client);
    }
    this.adopt(state);
    if (before !== undefined && before !== this.seen)
      throw tryAgain('The database was restarted or restored.');
  }

  /**
   * Checks of several connections overlap. If one of them has adopted another state meanwhile, this one is read
   * again: the older state must not replace the newer one.
   */
  private async read(client: ClientBase): Promise<DatabaseState & { hasLostWal: boolean }> {
    for (;;) {
      const { seen, walBytes } = this;
      const state = await readState(client);
      if (seen !== this.seen) continue;
      // A snapshot of a volume, or a crash of a database that is not durable, behind a running process.
      return { ...state, hasLostWal: Number(state.walBytes) < walBytes };
    }
  }

  private adopt({ walBytes, startedAt, histories }: DatabaseState): void {
    const seen = JSON.stringify([startedAt, histories]);
    if (seen === this.seen) {
      this.walBytes = Math.max(this.walBytes, Number(walBytes));
      return;
    }
    const before = this.lostTimes.at(-1)?.to;
    this.seen = seen;
    this.walBytes = Number(walBytes);
    this.lostTimes = histories.map(({ beginsAt, lostFrom }) => ({
      from: Date.parse(lostFrom),
      to: Date.parse(beginsAt),
    }));
    this.forget();
    if (this.beginning !== before) for (const run of this.listeners) run();
  }

  /** @returns whether time was lost: false for the first history, and if another process was faster */
  private async open(client: ClientBase, statements: readonly string[]): Promise<boolean> {
    await client.query('BEGIN');
    try {
      let isRestored = false;
      for (const statement of statements) {
        const { rows } = await client.query<{ isRestored?: boolean }>(statement);
        isRestored = rows[0]?.isRestored ?? false;
      }
      if (isRestored) for (const statement of SKIP_LOST_IDS) await client.query(statement);
      await client.query('COMMIT');
      return isRestored;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  private async withClient(work: (client: ClientBase) => Promise<void>): Promise<void> {
    const client = await this.dataSource.pool.connect();
    try {
      await work(client);
    } finally {
      client.release();
    }
  }
}

async function readState(client: ClientBase): Promise<DatabaseState> {
  try {
    const { rows } = await client.query<DatabaseState>(READ_STATE);
    if (rows[0].isStandby) throw tryAgain('The database is a standby.');
    return rows[0];
  } catch (error) {
    if ((error as { code?: string }).code !== NO_SUCH_TABLE) throw error;
    throw tryAgain('The database has no tables of Tidemark. Restart the server: it creates them.');
  }
}
