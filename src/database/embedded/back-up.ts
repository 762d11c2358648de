import { existsSync, lstatSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import type { BackupStarted, BackupStopped } from './backup-socket.js';
import { CONTENTS, makeDirectory } from './data-dir.js';
import { findBackupSocket } from './embedded-postgres.js';

/** Of PostgreSQL's files, those that it makes anew at each start, or that belong to a process. */
const NOT_COPIED = /^(postmaster\.(pid|opts)|backup_label\.old|pg_internal\.init|pgsql_tmp.*)$/;

/**
 * Directories whose content a backup leaves out (as `pg_basebackup` does). `pg_wal` is copied last.
 */
const EMPTY = [
  'pg_wal',
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
];

const WAL_FILE = /^[\dA-F]{24}$/;

/** A partial backup has another name: what is at `target` is complete, and on the disk. */
const partialOf = (target: string) => `${target}.partial`;

/**
 * Copies a data directory, on which a server runs, to a new directory. The server goes on serving.
 *
 * @throws Error if the target exists, or the server ends meanwhile
 */
export async function backUp(dataDir: string, target: string): Promise<void> {
  if (lstatSync(target, { throwIfNoEntry: false })) throw new Error(`${target} exists`);
  // The copy would contain itself.
  if (!relative(join(dataDir, 'postgres'), target).startsWith('..'))
    throw new Error(`${target} is in the database`);
  const partial = partialOf(target);
  // Lease: the server has one backup at a time. Without it, `partial` may belong to another one that runs.
  const session = await BackupSession.open(dataDir);
  try {
    const { wal: first } = await session.next<BackupStarted>();
    await rm(partial, { recursive: true, force: true });
    makeDirectory(partial);
    try {
      for (const name of CONTENTS) await copy(join(dataDir, name), join(partial, name));
      const { wal: last, label } = await session.stop();
      const [from, to] = [dataDir, partial].map((directory) => join(directory, 'postgres', 'pg_wal'));
      const names = (await readdir(from)).filter(
        (name) => WAL_FILE.test(name) && name >= first && name <= last,
      );
      if (!names.includes(first) || !names.includes(last))
        throw new Error(`WAL files of ${from} are missing`);
      for (const name of names) await copy(join(from, name), join(to, name));
      await write(join(partial, 'postgres', 'backup_label'), label);
      await rename(partial, target);
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw error;
    }
    await sync(dirname(target));
  } finally {
    session.close();
  }
}

/** The connection to the server, for as long as the database is in backup mode. */
class BackupSession {
  private constructor(
    private readonly socket: ReturnType<typeof connect>,
    private readonly lines: AsyncIterator<string>,
  ) {}

  static async open(dataDir: string): Promise<BackupSession> {
    const path = findBackupSocket(dataDir);
    if (path === undefined) throw new Error(`the server on ${dataDir} is starting or stopping`);
    const socket = connect(path);
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    await once(socket, 'connect');
    // The end of the lines shows it.
    socket.on('error', () => {});
    return new BackupSession(socket, lines);
  }

  /** @throws Error of the server */
  async next<Answer>(): Promise<Answer> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the server has ended');
    const answer = JSON.parse(value) as Answer & { error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  stop(): Promise<BackupStopped> {
    this.socket.write('copied\n');
    return this.next();
  }

  close(): void {
    this.socket.destroy();
  }
}

/**
 * Copies a file or a directory that PostgreSQL may be writing. Torn pages do not matter: in backup mode, the
 * WAL has them whole.
 */
async function copy(from: string, to: string): Promise<void> {
  try {
    const entries = await readdir(from, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTDIR') return undefined;
      throw error;
    });
    if (!entries) {
      await copyFile(from, to);
      await sync(to);
      return;
    }
    await mkdir(to, { mode: 0o700 });
    for (const { name } of entries) {
      if (NOT_COPIED.test(name)) continue;
      if (EMPTY.includes(name)) await mkdir(join(to, name), { mode: 0o700 });
      else await copy(join(from, name), join(to, name));
    }
    await sync(to);
  } catch (error) {
    // Dropped meanwhile, or never there: a secret that is a setting. What is missing in the copy is an error.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || existsSync(from)) throw error;
  }
}

async function write(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  await file.sync();
  await file.close();
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  await file.sync().finally(() => file.close());
}
