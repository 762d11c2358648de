import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './port.js';
import { statOf } from './process-table.js';

const run = promisify(execFile);

const INSTALLED = '/usr/lib/postgresql';

/** Directory of the newest installed release; the environment variable `PG_BIN` overrides it. */
function findBinaries(): string {
  const releases = existsSync(INSTALLED) ? readdirSync(INSTALLED) : [];
  const newest = Math.max(...releases.map(Number));
  const binaries = process.env.PG_BIN ?? join(INSTALLED, String(newest), 'bin');
  if (!existsSync(join(binaries, 'initdb')))
    throw new Error(
      'PostgreSQL is not installed: apt-get install postgresql, or set PG_BIN to its bin directory.',
    );
  return binaries;
}

/** A private PostgreSQL server, on a free loopback port, with its data in a temporary directory. */
export class PostgresServer {
  private constructor(
    private readonly binaries: string,
    /** Contains `data`, `log` and the socket; `destroy` deletes it. */
    readonly directory: string,
    public port: number,
    private readonly settings: Record<string, string>,
    private readonly env: Record<string, string>,
  ) {}

  /**
   * Initializes a data directory and starts a server on it.
   *
   * @param settings of postgresql.conf, such as `{ fsync: 'off' }`; all others keep PostgreSQL's default
   * @param env additional environment of the server process, such as that of libfaketime
   */
  static async start(
    settings: Record<string, string> = {},
    env: Record<string, string> = {},
  ): Promise<PostgresServer> {
    const server = await PostgresServer.create(settings, env);
    await server.execute('initdb', [
      '-D',
      server.data,
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
    ]);
    await server.start();
    return server;
  }

  /** Starts a hot standby that streams from this server. */
  async startStandby(): Promise<PostgresServer> {
    const standby = await PostgresServer.create({ ...this.settings }, this.env);
    const primary = `host=127.0.0.1 port=${this.port} user=postgres`;
    await standby.execute('pg_basebackup', [
      '-D',
      standby.data,
      '-d',
      primary,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
    ]);
    await standby.start();
    return standby;
  }

  /** A copy of this server as of now, which is not started: a base backup with the WAL that it needs. */
  async backUp(): Promise<PostgresServer> {
    const backup = await PostgresServer.create({ ...this.settings }, this.env);
    const primary = `host=127.0.0.1 port=${this.port} user=postgres`;
    await backup.execute('pg_basebackup', ['-D', backup.data, '-d', primary, '-X', 'stream', '-c', 'fast']);
    return backup;
  }

  /**
   * Restore: this backup takes the address of a server that is stopped.
   *
   * @param isRecovery point-in-time recovery, which ends on a new timeline; false: like a snapshot of a volume
   */
  async restoreAt(server: PostgresServer, isRecovery: boolean): Promise<void> {
    [this.port, server.port] = [server.port, this.port];
    if (isRecovery) {
      writeFileSync(join(this.data, 'recovery.signal'), '', { mode: 0o644 });
      this.settings.restore_command = 'false';
    }
    await this.start();
    if (isRecovery) await this.hasPromoted();
  }

  /** Failover: this standby takes the address of a primary that is gone, and lacks what it has not received. */
  async takeOver(primary: PostgresServer): Promise<void> {
    await primary.kill();
    if (this.pid !== undefined) await this.stop();
    [this.port, primary.port] = [primary.port, this.port];
    await this.start();
    await this.execute('pg_ctl', ['promote', '-D', this.data, '-w', '-s']);
  }

  private static async create(settings: Record<string, string>, env: Record<string, string>) {
    const directory = mkdtempSync(join(tmpdir(), 'tidemark-postgres-'));
    // PostgreSQL refuses to run as root.
    if (process.getuid?.() === 0) await run('chown', ['postgres:', directory]);
    return new PostgresServer(findBinaries(), directory, await freePort(), settings, env);
  }

  /** Polls until recovery has ended. */
  private async hasPromoted(): Promise<void> {
    const query = ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres', '-Atc'];
    while ((await this.execute('psql', [...query, 'SELECT pg_is_in_recovery()'])).trim() !== 'f')
      await new Promise((done) => setTimeout(done, 20));
  }

  get url(): string {
    return this.urlOf('postgres');
  }

  urlOf(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  /** Process id of the postmaster; undefined while it does not run. */
  get pid(): number | undefined {
    const file = join(this.data, 'postmaster.pid');
    return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : undefined;
  }

  async start(): Promise<void> {
    const settings = {
      ...this.settings,
      port: this.port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: this.directory,
    };
    const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
    await this.execute('pg_ctl', [
      'start',
      ...[
        '-D',
        this.data,
        '-w',
        '-s',
        '-t',
        '120',
        '-l',
        join(this.directory, 'log'),
        '-o',
        options.join(' '),
      ],
    ]);
  }

  /** @param mode `fast` ends the sessions cleanly; `immediate` has the effect of a crash */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.execute('pg_ctl', ['stop', '-D', this.data, '-m', mode, '-w', '-s']);
  }

  /** Crash: `kill -9` of the postmaster and all of its processes. `start` runs crash recovery. */
  async kill(): Promise<void> {
    const postmaster = this.pid;
    if (postmaster === undefined) return;
    // SIGSTOP first, so that the postmaster forks no further processes.
    process.kill(postmaster, 'SIGSTOP');
    const pids = [...childrenOf(postmaster), postmaster];
    for (const pid of pids) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
    while (pids.some(isRunning)) await new Promise((done) => setTimeout(done, 5));
    // Stale lock files: the next start fails if any process has the recorded pid, a zombie of this one
    // included.
    const locks = [join(this.data, 'postmaster.pid'), join(this.directory, `.s.PGSQL.${this.port}.lock`)];
    for (const lock of locks) rmSync(lock, { force: true });
  }

  /** Hangs: no process of it runs any more, and all connections stay open. `resume` lets them go on. */
  suspend(): void {
    process.kill(this.pid!, 'SIGSTOP');
    for (const pid of childrenOf(this.pid!)) process.kill(pid, 'SIGSTOP');
  }

  resume(): void {
    const postmaster = this.pid!;
    // Running children may end at any time.
    if (statOf(postmaster)?.[0] !== 'T') return;
    for (const pid of [...childrenOf(postmaster), postmaster]) process.kill(pid, 'SIGCONT');
  }

  async destroy(): Promise<void> {
    if (this.pid !== undefined) await this.stop('immediate').catch(() => {});
    rmSync(this.directory, { recursive: true, force: true });
  }

  private get data(): string {
    return join(this.directory, 'data');
  }

  /** Runs a program of PostgreSQL as the user `postgres`, and returns its stdout. */
  async execute(command: string, args: string[]): Promise<string> {
    const isRoot = process.getuid?.() === 0;
    const user = ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'];
    // Set after setpriv: two users must not share the shared memory of a preloaded library (libfaketime).
    const variables = Object.entries(this.env).map(([name, value]) => `${name}=${value}`);
    const [file, ...rest] = [
      ...(isRoot ? user : []),
      'env',
      ...variables,
      join(this.binaries, command),
      ...args,
    ];
    const options = { env: { ...process.env, HOME: this.directory }, cwd: this.directory };
    return (await run(file, rest, options)).stdout;
  }
}

/** False for a zombie too: an ended process that its parent has not reaped yet. */
const isRunning = (pid: number) => ![undefined, 'Z', 'X'].includes(statOf(pid)?.[0]);

const childrenOf = (parent: number) =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => statOf(pid)?.[1] === String(parent));
