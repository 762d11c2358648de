import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { PostgresServer } from '../postgres.js';
import type { Random } from '../random.js';
import { ServerProcess } from '../server-process.js';

const run = promisify(execFile);

/** The database of the servers: not `postgres`, so that a fault can rename it. */
const DATABASE = 'tidemark';

/** Takes the database back in time. Afterwards the same address leads to an earlier state. */
type Fault = (site: Site, random: Random) => Promise<void>;

export const LOST_TIME_FAULTS: Record<string, Fault> = {
  /** Of an asynchronous standby that lacks a tail. */
  promotion: async (site, random) => {
    const standby = await site.database.startStandby();
    await site.loseTime(random, () => standby.stop());
    await site.replaceBy(standby, () => standby.takeOver(site.database));
  },
  /** Promotion of a standby that lacks nothing. */
  switchover: async (site) => {
    const standby = await site.database.startStandby();
    await site.database.stop();
    await site.replaceBy(standby, () => standby.takeOver(site.database));
  },
  /** Recovery of an older one. */
  'base backup': async (site, random) => {
    const backup = await site.database.backUp();
    await site.loseTime(random);
    await site.database.kill();
    await site.replaceBy(backup, () => backup.restoreAt(site.database, true));
  },
  /** Restored into a new database. */
  dump: async (site, random) => {
    const dump = join(site.database.directory, 'dump.sql');
    await site.database.execute('pg_dump', ['-d', site.url, '-f', dump]);
    await site.loseTime(random);
    await site.query('postgres', 'CREATE DATABASE restored');
    await site.database.execute('psql', ['-q', '-d', site.database.urlOf('restored'), '-f', dump]);
    await site.query('postgres', `DROP DATABASE ${DATABASE} WITH (FORCE)`);
    await site.query('postgres', `ALTER DATABASE restored RENAME TO ${DATABASE}`);
  },
  /** Of the volume: its identity shows nothing. */
  'declared snapshot': async (site, random) => {
    const snapshot = await site.database.backUp();
    await site.loseTime(random);
    for (const server of site.servers) await server.stop();
    await site.database.stop();
    await site.replaceBy(snapshot, () => snapshot.restoreAt(site.database, false));
    await run(process.execPath, [join(site.program, 'dist/src/restored.js')], { env: site.settings });
    for (const server of site.servers) await server.start();
  },
};

export interface SiteOptions {
  servers: number;
  program: string;
  adminKey: string;
  /** Directory for the servers' logs. */
  reports: string;
}

/** The servers under test, at one address of a PostgreSQL that faults replace. */
export class Site {
  readonly servers: ServerProcess[] = [];
  private readonly old: PostgresServer[] = [];
  readonly program: string;

  private constructor(
    public database: PostgresServer,
    readonly settings: Record<string, string>,
    { program }: SiteOptions,
  ) {
    this.program = program;
  }

  static async start(options: SiteOptions): Promise<Site> {
    const database = await PostgresServer.start({ fsync: 'off' });
    await database.execute('createdb', [
      '-h',
      '127.0.0.1',
      '-p',
      `${database.port}`,
      '-U',
      'postgres',
      DATABASE,
    ]);
    const settings = {
      DATABASE_URL: database.urlOf(DATABASE),
      DATABASE_POOL_SIZE: '6',
      ADMIN_API_KEY: options.adminKey,
      LOG_LEVEL: 'warn',
      WEBHOOK_ALLOW_PRIVATE: 'true',
      // Some 10 s: cursors of followers that pause expire, too.
      FEED_RETENTION_DAYS: '0.0001',
    };
    const site = new Site(database, settings, options);
    try {
      for (let n = 1; n <= options.servers; n++) {
        const logs = join(options.reports, `server-${n}.log`);
        writeFileSync(logs, '');
        site.servers.push(
          await ServerProcess.start(settings, join(options.program, 'dist/src/main.js'), logs),
        );
      }
    } catch (error) {
      await site.destroy();
      throw error;
    }
    return site;
  }

  get url(): string {
    return this.database.urlOf(DATABASE);
  }

  /** Writes go on for a while; what is written now is lost. @param before runs first */
  async loseTime(random: Random, before: () => Promise<void> = async () => {}): Promise<void> {
    await before();
    await sleep(random.integer(300, 2_500));
  }

  /** The database is another one from now on. */
  async replaceBy(next: PostgresServer, replace: () => Promise<void>): Promise<void> {
    await replace();
    this.old.push(this.database);
    this.database = next;
  }

  async query(database: string, sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.database.urlOf(database) });
    client.on('error', () => {});
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  }

  async destroy(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop('SIGKILL')));
    for (const database of [this.database, ...this.old]) await database.destroy();
  }
}
