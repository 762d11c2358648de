import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { PostgresServer } from '../postgres.js';
import { ServerProcess } from '../server-process.js';
import { WallClock } from '../wall-clock.js';

/** Key of the gate's advisory lock: any constant that nothing else uses. */
const GATE_LOCK = 811_005;

/**
 * Gate at the end of write transactions: while it is closed, the transactions of every third item stay open
 * between their change and their commit. A trigger takes an advisory lock, so the server is unmodified.
 */
const CREATE_GATE = `
  CREATE FUNCTION consistency_gate() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(${GATE_LOCK});
    RETURN NULL;
  END $$;
  CREATE TRIGGER consistency_gate AFTER INSERT ON change_events
  FOR EACH ROW WHEN (NEW.item_id % 3 = 0) EXECUTE FUNCTION consistency_gate()`;

/** More than one: only a client that switches between replicas can see a clock go back. */
const STANDBYS = 2;

export interface ClusterOptions {
  servers: number;
  isReplicated: boolean;
  /** One server, which begins on the embedded database; `move` takes it to PostgreSQL. */
  isMoving: boolean;
  /** Directory of the built program. */
  program: string;
  adminKey: string;
  /** Directory for the servers' logs. */
  reports: string;
}

/**
 * The servers under test, their PostgreSQL and its standbys, in processes that the checker starts and stops.
 */
export class Cluster {
  readonly servers: ServerProcess[] = [];
  readonly standbys: PostgresServer[] = [];
  /** Of the embedded database. */
  private readonly dataDir = mkdtempSync(join(tmpdir(), 'tidemark-embedded-'));

  private constructor(
    readonly database: PostgresServer,
    /** Of all processes. */
    readonly clock: WallClock,
    private readonly program: string,
  ) {}

  static async start({
    servers,
    isReplicated,
    isMoving,
    program,
    adminKey,
    reports,
  }: ClusterOptions): Promise<Cluster> {
    const clock = new WallClock();
    // Faults kill processes, not the machine: no write has to reach the disk.
    const database = await PostgresServer.start({ fsync: 'off', max_connections: '60' }, clock.env);
    const cluster = new Cluster(database, clock, program);
    try {
      for (let n = 0; isReplicated && n < STANDBYS; n++) cluster.standbys.push(await database.startStandby());
      const settings = {
        ...clock.env,
        ...(isMoving ? { DATA_DIR: cluster.dataDir } : { DATABASE_URL: database.url }),
        ...(isReplicated && { DATABASE_REPLICA_URL: cluster.standbys.map(({ url }) => url).join() }),
        // So few that a lock of one second exhausts the pool.
        DATABASE_POOL_SIZE: '6',
        ADMIN_API_KEY: adminKey,
        LOG_LEVEL: 'error',
      };
      for (let n = 0; n < (isMoving ? 1 : servers); n++)
        cluster.servers.push(
          await ServerProcess.start(
            settings,
            join(program, 'dist/src/main.js'),
            join(reports, `server-${n + 1}.log`),
          ),
        );
      if (!isMoving) await cluster.createGate();
    } catch (error) {
      await cluster.destroy();
      throw error;
    }
    return cluster;
  }

  private async createGate(): Promise<void> {
    await this.withConnection((client) => client.query(CREATE_GATE));
  }

  /** Moves the embedded database to PostgreSQL; the server goes on there, at the same address. */
  async move(): Promise<void> {
    const [server] = this.servers;
    await server.stop();
    const program = join(this.program, 'dist/src/move-to-postgres.js');
    await promisify(execFile)(process.execPath, [program, this.database.url], { env: server.env });
    server.env.DATABASE_URL = this.database.url;
    server.env.SECRETS_KEY = readFileSync(join(this.dataDir, 'secrets-key'), 'utf8').trim();
    await server.start();
    await this.createGate();
  }

  /** Runs work on a database connection beside those of the servers. */
  async withConnection<T>(work: (client: pg.Client) => Promise<T>, database = this.database): Promise<T> {
    const client = new pg.Client({ connectionString: database.url, application_name: 'consistency' });
    // Ignored: the next query on the lost connection rejects as well.
    client.on('error', () => {});
    try {
      await client.connect();
      return await work(client);
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** Blocks the commit of write transactions for so many ms. */
  async closeGate(duration: number): Promise<void> {
    await this.withConnection(async (client) => {
      await client.query('SELECT pg_advisory_lock($1)', [GATE_LOCK]);
      await sleep(duration);
    });
  }

  async destroy(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop('SIGKILL')));
    await Promise.all(this.standbys.map((standby) => standby.destroy()));
    await this.database.destroy();
    this.clock.remove();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
