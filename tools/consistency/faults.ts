import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { ServerProcess } from '../server-process.js';
import { WallClock } from '../wall-clock.js';
import type { Cluster } from './cluster.js';
import { type History, Violation } from './history.js';
import type { Random } from '../random.js';
import type { Statistics } from './statistics.js';

/** Injects a fault, and undoes it. */
type Fault = (cluster: Cluster, random: Random) => Promise<void>;

/** Lanes: faults of one lane run one after the other, those of different lanes at the same time. */
const LANES: Record<string, Record<string, Fault>> = {
  processes: {
    'kill -9 of a server': async ({ servers }, random) => {
      const server = random.pick(servers);
      await terminate(server, 'SIGKILL', null);
      await sleep(random.integer(0, 500));
      await server.start();
    },
    'rolling restart': async ({ servers }) => {
      for (const server of servers) {
        await terminate(server, 'SIGTERM', 0);
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
      /** @returns the error with which PostgreSQL refuses one more connection */
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
        // The servers have all connections, or PostgreSQL is down at the moment.
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
    'clock steps back and forward': async ({ clock }, random) => {
      clock.step(-random.integer(1, 8));
      await sleep(random.integer(300, 1_500));
      clock.step(random.integer(1, 10));
      await sleep(random.integer(300, 1_500));
      clock.reset();
    },
  },
  transactions: {
    'write held open before its commit': (cluster, random) => cluster.closeGate(random.integer(30, 600)),
    "developer's feed locked": (cluster, random) =>
      holdTransaction(
        cluster,
        random,
        `SELECT FROM feeds WHERE user_id = (
           SELECT user_id FROM feeds ORDER BY user_id
           OFFSET ${random.integer(0, 99)} % (SELECT count(*) FROM feeds) LIMIT 1
         ) FOR UPDATE`,
        random.integer(50, 1_000),
      ),
    // More requests wait than the pool has connections. Same lock mode as a write: shares that refer to a
    // locked developer do not wait.
    'pool exhausted by locks': (cluster, random) =>
      holdTransaction(
        cluster,
        random,
        'SELECT FROM feeds ORDER BY user_id FOR NO KEY UPDATE',
        random.integer(500, 2_500),
      ),
    'tick held open': (cluster, random) =>
      holdTransaction(
        cluster,
        random,
        `UPDATE feeds
         SET clock = greatest(
           date_trunc('milliseconds', clock_timestamp()), clock + interval '1 millisecond')`,
        random.integer(20, 500),
      ),
    'idle in transaction': (cluster, random) =>
      holdTransaction(cluster, random, 'SELECT count(*) FROM change_events', random.integer(500, 3_000)),
  },
  replicas: {
    'replay paused': async (cluster, random) => {
      const standby = random.pick(cluster.standbys);
      const run = (sql: string) => cluster.withConnection((client) => client.query(sql), standby);
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

/**
 * Sends a signal to a server.
 *
 * @throws Violation if it has exited by itself, or exits with another code than expected (null: by the
 * signal)
 */
async function terminate(
  server: ServerProcess,
  signal: NodeJS.Signals,
  expected: number | null,
): Promise<void> {
  const wasGone = server.hasExited;
  const code = await server.stop(signal);
  if (wasGone || code !== expected)
    throw new Violation(
      'process',
      `a server exited with ${code} ${wasGone ? 'by itself' : `after ${signal}`}; its log is in the report`,
      {},
    );
}

async function holdTransaction(
  cluster: Cluster,
  random: Random,
  sql: string,
  duration: number,
): Promise<void> {
  await cluster.withConnection(async (client) => {
    await client.query('BEGIN');
    await client.query(sql);
    await sleep(duration);
    await client.query(random.chance(0.5) ? 'COMMIT' : 'ROLLBACK');
  });
}

/** Injects faults on a schedule that the seed determines. */
export class Faults {
  private readonly lanes: [string, [string, Fault][]][];
  /** Faults that cannot be injected here, by name, with the reason. */
  readonly skipped: Record<string, string> = {};

  /** @param names of the faults to inject; default: all */
  constructor(
    private readonly cluster: Cluster,
    private readonly random: Random,
    private readonly history: History,
    private readonly statistics: Statistics,
    names: readonly string[] = FAULTS,
  ) {
    if (!WallClock.canStep)
      this.skipped['clock steps back and forward'] = 'libfaketime is not installed (package faketime)';
    this.lanes = Object.entries(LANES)
      .filter(([lane]) => lane !== 'replicas' || cluster.standbys.length > 0)
      .map(([lane, faults]) => [
        lane,
        Object.entries(faults).filter(([name]) => names.includes(name) && !(name in this.skipped)),
      ]);
  }

  /** The move of the embedded database to PostgreSQL, once, while writers and followers go on. */
  async move(delay: number): Promise<void> {
    await sleep(delay);
    await this.inject('move to PostgreSQL', () => this.cluster.move());
  }

  /** Injects faults until `isDone`. Resolves when all of them are undone and every server runs again. */
  async run(isDone: () => boolean): Promise<void> {
    await Promise.all(this.lanes.map(([lane, faults]) => this.runLane(lane, faults, isDone)));
    const exited = this.cluster.servers.findIndex((server) => server.hasExited);
    if (exited >= 0)
      throw new Violation('process', `server ${exited + 1} exited by itself; its log is in the report`, {});
  }

  private async runLane(lane: string, faults: [string, Fault][], isDone: () => boolean): Promise<void> {
    const random = this.random.fork(lane);
    while (faults.length > 0 && !isDone()) {
      // Each fault once per round, in random order.
      for (const [name, fault] of random.shuffled(faults)) {
        await sleep(random.integer(0, lane === 'transactions' ? 300 : 1_500));
        if (isDone()) return;
        await this.inject(name, () => fault(this.cluster, random));
      }
    }
  }

  private async inject(name: string, fault: () => Promise<void>): Promise<void> {
    const entry = this.history.begin({ actor: 'fault', text: name, isFault: true });
    let abortedBy: unknown;
    try {
      await fault();
    } catch (error) {
      // A fault of another lane may have closed its connection, or exhausted all connections.
      if (!isLostConnection(error)) throw error;
      abortedBy = error;
    }
    this.history.end(entry, abortedBy ? `aborted: ${String(abortedBy)}` : 'undone');
    this.statistics.countFault(name, !abortedBy);
  }
}

/**
 * Errors of the system (ECONNREFUSED), of PostgreSQL (SQLSTATE classes 08, 53, 57), and of the driver (no
 * code).
 */
function isLostConnection(error: unknown): boolean {
  const { code = '', message } = error as { code?: string; message: string };
  return /^(E[A-Z]|08|53|57)/.test(String(code)) || /^(Connection|Client has)/.test(message);
}
