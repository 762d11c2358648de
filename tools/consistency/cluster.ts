import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { PostgresServer } from '../postgres.js';
import { ServerProcess } from '../server-process.js';

/** The library of Debian's package `faketime`; undefined when it is not installed. */
function findFaketime(): string | undefined {
  return readdirSync('/usr/lib')
    .map((directory) => join('/usr/lib', directory, 'faketime/libfaketime.so.1'))
    .find((library) => existsSync(library));
}

/** Any constant that is nobody else's: the advisory lock of the gate. */
const GATE = 811_005;

/** What libfaketime shares with its children stays behind where a process was killed. */
function removeLeftovers(): void {
  for (const name of readdirSync('/dev/shm')) {
    const [, pid] = /faketime_(?:shm|sem)_(\d+)$/.exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join('/dev/shm', name), { force: true });
  }
}

/**
 * A gate at the end of write transactions: while it is closed, every third item's stay open between their change and
 * their commit. The server itself is as it always is.
 */
const BUILD_GATE = `
  CREATE FUNCTION consistency_gate() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(${GATE});
    RETURN NULL;
  END $$;
  CREATE TRIGGER consistency_gate AFTER INSERT ON change_events
  FOR EACH ROW WHEN (NEW.item_id % 3 = 0) EXECUTE FUNCTION consistency_gate()`;

/** More than one: only those who change between them can go back in time. */
const STANDBYS = 2;

export interface ClusterOptions {
  servers: number;
  isReplicated: boolean;
  /** Directory of the built program. */
  program: string;
  adminKey: string;
  /** Directory for the logs of the servers. */
  reports: string;
}

/** The servers under test, and everything below them, in processes of our own. */
export class Cluster {
  readonly servers: ServerProcess[] = [];
  readonly standbys: PostgresServer[] = [];
  private clock = 0;

  private constructor(
    readonly database: PostgresServer,
    private readonly directory: string,
    /** Can the time of day be changed for these processes? */
    readonly hasClock: boolean,
  ) {}

  static async start({
    servers,
    isReplicated,
    program,
    adminKey,
    reports,
  }: ClusterOptions): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), 'tidemark-consistency-'));
    await chmod(directory, 0o755);
    const library = findFaketime();
    const clockFile = join(directory, 'clock');
    writeFileSync(clockFile, '+0');
    const env: Record<string, string> =
      library === undefined
        ? {}
        : {
            LD_PRELOAD: library,
            FAKETIME_TIMESTAMP_FILE: clockFile,
            FAKETIME_NO_CACHE: '1',
            // As in the world outside, where only the time of day can be set.
            DONT_FAKE_MONOTONIC: '1',
          };
    // What is killed are processes, not the machine: nothing has to reach the disk.
    const database = await PostgresServer.start({ fsync: 'off', max_connections: '60' }, env);
    const cluster = new Cluster(database, directory, library !== undefined);
    try {
      for (let n = 0; isReplicated && n < STANDBYS; n++) cluster.standbys.push(await database.startStandby());
      const settings = {
        ...env,
        DATABASE_URL: database.url,
        ...(isReplicated && { DATABASE_REPLICA_URL: cluster.standbys.map(({ url }) => url).join() }),
        // So few that a lock of a second exhausts them.
        DATABASE_POOL_SIZE: '6',
        ADMIN_API_KEY: adminKey,
        LOG_LEVEL: 'error',
      };
      for (let n = 0; n < servers; n++)
        cluster.servers.push(
          await ServerProcess.start(
            settings,
            join(program, 'dist/src/main.js'),
            join(reports, `server-${n + 1}.log`),
          ),
        );
      await cluster.session((client) => client.query(BUILD_GATE));
    } catch (error) {
      await cluster.destroy();
      throw error;
    }
    return cluster;
  }

  /** A connection of our own, beside the servers', for as long as the work takes. */
  async session<T>(work: (client: pg.Client) => Promise<T>, database = this.database): Promise<T> {
    const client = new pg.Client({ connectionString: database.url, application_name: 'consistency' });
    // Whoever uses it then gets an error anyway.
    client.on('error', () => {});
    try {
      await client.connect();
      return await work(client);
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** Keeps write transactions from committing for so many ms. */
  async closeGate(duration: number): Promise<void> {
    await this.session(async (client) => {
      await client.query('SELECT pg_advisory_lock($1)', [GATE]);
      await sleep(duration);
    });
  }

  /** Lets the time of day of all processes jump by so many seconds. */
  stepClock(seconds: number): void {
    this.clock += seconds;
    writeFileSync(join(this.directory, 'clock'), `${this.clock < 0 ? '' : '+'}${this.clock}`);
  }

  resetClock(): void {
    if (this.clock !== 0) this.stepClock(-this.clock);
  }

  async destroy(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop('SIGKILL')));
    await Promise.all(this.standbys.map((standby) => standby.destroy()));
    await this.database.destroy();
    rmSync(this.directory, { recursive: true, force: true });
    if (this.hasClock) removeLeftovers();
  }
}
