import { Logger } from '@nestjs/common';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { PeriodicTask } from '../periodic-task.js';
import { BACKUP_SOCKET, BackupSocket } from './backup-socket.js';
import { assertServable, hasDatabase, lockDataDir, openDataDir } from './data-dir.js';

/** Name of the socket that PostgreSQL's clients look for in the directory given as `host`. */
const SOCKET = '.s.PGSQL.5432';

/** Limit of the path of a Unix socket, in bytes. */
const LONGEST_SOCKET_PATH = 107;

/** ms between two looks at the WAL, and bytes of it after which PostgreSQL writes a checkpoint. */
const CHECKPOINT_INTERVAL = 10_000;
const MAX_WAL = 32 * 1_024 * 1_024;

/** SQL: whether a checkpoint is due. */
const IS_CHECKPOINT_DUE = `
  SELECT pg_current_wal_lsn() - redo_lsn > ${MAX_WAL} AS "isDue" FROM pg_control_checkpoint()`;

/** Directory of the sockets, in the data directory; a link to another one if its path is too long. */
const SOCKETS = 'socket';

/**
 * A new directory that only this user can enter: in the data directory, or in the system's if the path is too
 * long.
 */
function socketDirectory(dataDir: string): string {
  const directory = join(dataDir, SOCKETS);
  // A killed process leaves it behind. The lock of the data directory is held, so no other process uses it.
  rmSync(directory, { recursive: true, force: true });
  if (Buffer.byteLength(join(directory, SOCKET)) <= LONGEST_SOCKET_PATH) {
    mkdirSync(directory, { mode: 0o700 });
    return directory;
  }
  const elsewhere = mkdtempSync(join(tmpdir(), 'tidemark-'));
  symlinkSync(elsewhere, directory);
  return elsewhere;
}

/** Path of the socket for backups of the server that runs on this directory; undefined: none runs. */
export function findBackupSocket(dataDir: string): string | undefined {
  const directory = join(dataDir, SOCKETS);
  return existsSync(directory) ? join(realpathSync(directory), BACKUP_SOCKET) : undefined;
}

/**
 * PostgreSQL inside this process: PGlite in a worker thread, so that SQL does not block HTTP
 * (docs/decisions/0002-embedded-database.md has the figures). The ordinary `pg` driver reaches it over a Unix
 * socket that only this user can open. It is ONE session: the pool must have exactly one connection.
 */
export class EmbeddedPostgres {
  private readonly logger = new Logger(EmbeddedPostgres.name);
  private execute: (sql: string) => Promise<object[]> = () => Promise.resolve([]);
  private backups?: BackupSocket;
  private readonly checkpoints = new PeriodicTask(
    'checkpoints',
    () => this.checkpoint(),
    (error) => this.logger.warn({ err: error }, 'no checkpoint: the WAL grows'),
  );

  private constructor(
    private readonly worker: Worker,
    private readonly path: string,
    private readonly unlock: () => void,
    /** Directory of the socket; what `pg` takes as `host`. */
    readonly host: string,
  ) {}

  /**
   * @param dataDir directory of the database; created if missing
   * @param isMoving true: opens a database that may have moved already, for the rest of the move
   * @throws Error when another process uses the directory, or the database cannot be opened
   */
  static async start(dataDir: string, isMoving = false): Promise<EmbeddedPostgres> {
    const path = openDataDir(dataDir);
    if (!isMoving) assertServable(path);
    const directory = openDataDir(join(path, 'postgres'));
    const isNew = !hasDatabase(path);
    const unlock = lockDataDir(path);
    const host = socketDirectory(path);
    const open = async () => {
      const worker = new Worker(new URL('./embedded-postgres.worker.js', import.meta.url), {
        workerData: { directory, socketPath: join(host, SOCKET) },
        // The worker must not inherit flags of the process, such as those of a test runner.
        execArgv: [],
      });
      const embedded = new EmbeddedPostgres(worker, path, unlock, host);
      try {
        await once(worker, 'message');
        return embedded;
      } catch (error) {
        await embedded.release();
        throw new Error(`The embedded database in ${directory} does not open: ${(error as Error).message}`, {
          cause: error,
        });
      }
    };
    // initdb takes 500 MiB, which only the end of its thread gives back.
    if (isNew) await (await open()).stopWorker();
    const embedded = await open();
    const { worker } = embedded;
    // A later crash of the database is a crash of the server: it could not serve anything.
    worker.once('error', (error) => {
      throw error;
    });
    return embedded;
  }

  /**
   * What a PostgreSQL server does beside the statements of its clients: checkpoints, without which the WAL would grow
   * for ever, and online backups.
   *
   * @param execute one statement
   */
  async serve(execute: (sql: string) => Promise<object[]>): Promise<void> {
    this.execute = execute;
    this.backups = await BackupSocket.listen(join(this.host, BACKUP_SOCKET), execute);
    this.checkpoints.start(CHECKPOINT_INTERVAL);
  }

  /** Ends a backup that runs, while statements can still be executed. */
  async stopServing(): Promise<void> {
    await this.checkpoints.stop();
    await this.backups?.close();
  }

  /** Not during a backup: it would remove WAL that the backup has yet to copy. */
  private async checkpoint(): Promise<void> {
    const [due] = (await this.execute(IS_CHECKPOINT_DUE)) as { isDue: boolean }[];
    if (due.isDue && !this.backups!.isRunning) await this.execute('CHECKPOINT');
  }

  async stop(): Promise<void> {
    await this.stopWorker();
    await this.release();
  }

  private async stopWorker(): Promise<void> {
    this.worker.postMessage('stop');
    await once(this.worker, 'message');
    await this.worker.terminate();
  }

  private async release(): Promise<void> {
    await this.worker.terminate();
    for (const directory of [this.host, join(this.path, SOCKETS)])
      rmSync(directory, { recursive: true, force: true });
    this.unlock();
  }
}
