import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { ServerProcess } from '../server-process.js';
import type { Cluster } from './cluster.js';
import { type History, Violation } from './history.js';
import type { Random } from '../random.js';
import type { Statistics } from './statistics.js';

/** Does something bad, and undoes it. */
type Fault = (cluster: Cluster, random: Random) => Promise<void>;

/** Faults of one lane come one after the other, those of different lanes at the same time. */
const LANES: Record<string, Record<string, Fault>> = {
  processes: {
    'kill -9 of a server': async ({ servers }, random) => {
      const server = random.pick(servers);
      await end(server, 'SIGKILL', null);
      await sleep(random.integer(0, 500));
      await server.start();
    },
    'rolling restart': async ({ servers }) => {
      for (const server of servers) {
        await end(server, 'SIGTERM', 0);
        await server.start();
      }
    },
    'kill -9 of PostgreSQL': async ({ database }, random) => {
      await database.kill();
      await sleep(random.integer(0, 500));
      await database.start();
    },
    'no connections left': async (cluster, random) => {
      const clients: pg.Client[] = [];
      /** @returns why PostgreSQL refuses one more */
      const takeAll = async (): Promise<unknown> => {
        for (;;) {
          const client = new pg.Client({ connectionString: cluster.database.url });
          client.on('error', () => {});
          try {
            await client.connect();
          } catch (error) {
            return error;
          }
          clients.push(client);
        }
      };
      try {
        const refusal = await takeAll();
        // The servers have them all, or PostgreSQL is just away.
        if (clients.length === 0) throw refusal;
        await clients[0].query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidemark'",
        );
        await takeAll();
        await sleep(random.integer(300, 1_500));
      } finally {
        await Promise.all(clients.map((client) => client.end().catch(() => {})));
      }
    },
    'clock steps back and forward': async (cluster, random) => {
      cluster.stepClock(-random.integer(1, 8));
      await sleep(random.integer(300, 1_500));
      cluster.stepClock(random.integer(1, 10));
      await sleep(random.integer(300, 1_500));
      cluster.resetClock();
    },
  },
  transactions: {
    'write held open before its commit': (cluster, random) => cluster.closeGate(random.integer(30, 600)),
    "developer's row locked": (cluster, random) =>
      inTransaction(
        cluster,
        random,
        `SELECT FROM feeds WHERE user_id = (
           SELECT user_id FROM feeds ORDER BY user_id OFFSET ${random.integer(0, 99)} % (SELECT count(*) FROM feeds) LIMIT 1
         ) FOR UPDATE`,
        random.integer(50, 1_000),
      ),
    // More requests wait than there are connections. As a writer locks, who may share with a developer that is locked.
    'pool exhausted by locks': (cluster, random) =>
      inTransaction(
        cluster,
        random,
        'SELECT FROM feeds ORDER BY user_id FOR NO KEY UPDATE',
        random.integer(500, 2_500),
      ),
    'tick held open': (cluster, random) =>
      inTransaction(
        cluster,
        random,
        `UPDATE feeds
         SET clock = greatest(date_trunc('milliseconds', clock_timestamp()), clock + interval '1 millisecond')`,
        random.integer(20, 500),
      ),
    'idle in transaction': (cluster, random) =>
      inTransaction(cluster, random, 'SELECT count(*) FROM change_events', random.integer(500, 3_000)),
  },
  replicas: {
    'replay paused': async (cluster, random) => {
      const standby = random.pick(cluster.standbys);
      const run = (sql: string) => cluster.session((client) => client.query(sql), standby);
      await run('SELECT pg_wal_replay_pause()');
      await sleep(random.integer(200, 3_000));
      await run('SELECT pg_wal_replay_resume()');
    },
    'kill -9 of a standby': async ({ standbys }, random) => {
      const standby = random.pick(standbys);
      await standby.kill();
      await sleep(random.integer(0, 1_000));
      await standby.start();
    },
  },
};

export const FAULTS = Object.values(LANES).flatMap((faults) => Object.keys(faults));

/** Ends a server that must still be there, and must end with this exit code. */
async function end(server: ServerProcess, signal: NodeJS.Signals, expected: number | null): Promise<void> {
  const isBefore = server.isOver;
  const code = await server.stop(signal);
  if (isBefore || code !== expected)
    throw new Violation(
      'process',
      `a server ended with ${code} ${isBefore ? 'by itself' : `after ${signal}`}; its log is in the report`,
      {},
    );
}

async function inTransaction(cluster: Cluster, random: Random, sql: string, duration: number): Promise<void> {
  await cluster.session(async (client) => {
    await client.query('BEGIN');
    await client.query(sql);
    await sleep(duration);
    await client.query(random.chance(0.5) ? 'COMMIT' : 'ROLLBACK');
  });
}

/** Injects faults as the seed says, until it is told to stop. */
export class Faults {
  private readonly lanes: [string, [string, Fault][]][];
  /** What cannot be done here, and why. */
  readonly skipped: Record<string, string> = {};

  /** @param names which ones; all that are possible by default */
  constructor(
    private readonly cluster: Cluster,
    private readonly random: Random,
    private readonly history: History,
    private readonly statistics: Statistics,
    names: readonly string[] = FAULTS,
  ) {
    if (!cluster.hasClock)
      this.skipped['clock steps back and forward'] = 'libfaketime is not installed (package faketime)';
    this.lanes = Object.entries(LANES)
      .filter(([lane]) => lane !== 'replicas' || cluster.standbys.length > 0)
      .map(([lane, faults]) => [
        lane,
        Object.entries(faults).filter(([name]) => names.includes(name) && !(name in this.skipped)),
      ]);
  }

  /** Ends when what was begun has been undone, and every server is there again. */
  async run(isOver: () => boolean): Promise<void> {
    await Promise.all(this.lanes.map(([lane, faults]) => this.runLane(lane, faults, isOver)));
    const ended = this.cluster.servers.findIndex((server) => server.isOver);
    if (ended >= 0)
      throw new Violation('process', `server ${ended + 1} ended by itself; its log is in the report`, {});
  }

  private async runLane(lane: string, faults: [string, Fault][], isOver: () => boolean): Promise<void> {
    const random = this.random.of(lane);
    while (faults.length > 0 && !isOver()) {
      // Each once, in random order, and then again.
      for (const [name, fault] of random.shuffled(faults)) {
        await sleep(random.integer(0, lane === 'transactions' ? 300 : 1_500));
        if (isOver()) return;
        await this.inject(name, () => fault(this.cluster, random));
      }
    }
  }

  private async inject(name: string, fault: () => Promise<void>): Promise<void> {
    const entry = this.history.begin({ actor: 'fault', text: name, isFault: true });
    let cutShortBy: unknown;
    try {
      await fault();
    } catch (error) {
      // A fault of another lane may have ended its connection, or left it none.
      if (!isLostConnection(error)) throw error;
      cutShortBy = error;
    }
    this.history.end(entry, cutShortBy ? `cut short: ${String(cutShortBy)}` : 'undone');
    this.statistics.countFault(name, !cutShortBy);
  }
}

/** Of the system (ECONNREFUSED), of PostgreSQL (classes 08, 53 and 57) or of the driver, which has no codes. */
function isLostConnection(error: unknown): boolean {
  const { code = '', message } = error as { code?: string; message: string };
  return /^(E[A-Z]|08|53|57)/.test(String(code)) || /^(Connection|Client has)/.test(message);
}
