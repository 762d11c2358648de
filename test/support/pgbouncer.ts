import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../tools/port.js';
import { until } from './until.js';

/** Directories of the binary: those of PATH, and that of Debian's package, which PATH may lack. */
const DIRECTORIES = [...process.env.PATH!.split(':'), '/usr/sbin'];

/** @throws Error if PgBouncer is not installed: a test without it would prove nothing */
function findBinary(): string {
  const path = DIRECTORIES.map((directory) => join(directory, 'pgbouncer')).find((file) => existsSync(file));
  if (path === undefined) throw new Error('PgBouncer is not installed: apt-get install pgbouncer');
  return path;
}

/** PgBouncer in front of a PostgreSQL server, with the settings of Debian's package but for those given. */
export class PgBouncer {
  private log = '';

  private constructor(
    private readonly target: URL,
    private readonly port: number,
    private readonly directory: string,
    private readonly child: ChildProcess,
  ) {}

  /** @param settings of pgbouncer.ini */
  static async start(
    databaseUrl: string,
    settings: Record<string, string | number> = {},
  ): Promise<PgBouncer> {
    const target = new URL(databaseUrl);
    const { hostname, port, username, password } = target;
    const directory = mkdtempSync(join(tmpdir(), 'tidemark-pgbouncer-'));
    chmodSync(directory, 0o755);
    const server = { host: hostname, port: port || 5432, user: username, ...(password && { password }) };
    const lines = (values: object) => Object.entries(values).map(([name, value]) => `${name} = ${value}`);
    const ownPort = await freePort();
    const listen = { listen_addr: '127.0.0.1', listen_port: ownPort, unix_socket_dir: '', auth_type: 'any' };
    const databases = lines(server).map((line) => line.replaceAll(' ', ''));
    const file = join(directory, 'pgbouncer.ini');
    writeFileSync(
      file,
      [`[databases]`, `* = ${databases.join(' ')}`, '[pgbouncer]', ...lines({ ...listen, ...settings })].join(
        '\n',
      ),
    );
    chmodSync(file, 0o644);
    // It refuses to run as root.
    const isRoot = process.getuid?.() === 0;
    const user = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : [];
    const [command, ...args] = [...user, findBinary(), file];
    const child = spawn(command, args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
    const bouncer = new PgBouncer(target, ownPort, directory, child);
    child.stderr.on('data', (data) => (bouncer.log += data));
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`PgBouncer has ended:\n${bouncer.log}`);
      const socket = connect(ownPort, '127.0.0.1');
      return once(socket, 'connect')
        .then(() => true)
        .catch(() => false)
        .finally(() => socket.destroy());
    });
    return bouncer;
  }

  /** DATABASE_URL through this pooler. */
  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${this.port}`;
    return url.href;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGINT');
      setTimeout(() => this.child.kill('SIGKILL'), 2_000).unref();
      await exited;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
