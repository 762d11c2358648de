import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** Name of the socket, beside that of the database. */
export const BACKUP_SOCKET = 'backup';

/** fast: the checkpoint takes what the disk needs for 16 MB of buffers. */
const START = `SELECT pg_walfile_name(pg_backup_start('tidemark', fast => true)) AS wal`;

/** PGlite keeps no archive: the backup takes the WAL along. */
const STOP = `
  SELECT labelfile AS label, pg_walfile_name(lsn - 1) AS wal FROM pg_backup_stop(wait_for_archive => false)`;

/** SQLSTATE: the end of an earlier backup has failed, and the database is in backup mode already. */
const IN_BACKUP_MODE = '55000';

/** First answer: the database is in backup mode. */
export interface BackupStarted {
  /** Name of the first file of `pg_wal` that the backup needs. */
  wal: string;
}

/** Second answer: all that was committed before is in the files up to `wal`. */
export interface BackupStopped extends BackupStarted {
  /** Content of `backup_label`, with which PostgreSQL recovers the copied files. */
  label: string;
}

/**
 * Online backup (PostgreSQL's own, `pg_backup_start`): the database goes on writing while another process of
 * this user copies its files, and the WAL makes the copy consistent as of the end. A client connects, reads a
 * line with `BackupStarted`, copies, sends a line and reads `BackupStopped`. `{"error": …}` ends it, and so
 * does the end of the connection.
 */
export class BackupSocket {
  private running?: { socket: Socket; done: Promise<void> };

  private constructor(
    private readonly server: Server,
    private readonly execute: (sql: string) => Promise<object[]>,
  ) {}

  static async listen(path: string, execute: (sql: string) => Promise<object[]>): Promise<BackupSocket> {
    const server = createServer();
    const backups = new BackupSocket(server, execute);
    server.on('connection', (socket) => backups.accept(socket));
    await once(server.listen(path), 'listening');
    return backups;
  }

  get isRunning(): boolean {
    return this.running !== undefined;
  }

  /** A backup that runs is cut off. */
  async close(): Promise<void> {
    this.server.close();
    this.running?.socket.destroy();
    await this.running?.done;
  }

  private accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.running) {
      socket.end(`${JSON.stringify({ error: 'another backup is running' })}\n`);
      return;
    }
    const done = this.backUp(socket)
      .catch((error: Error) => socket.end(`${JSON.stringify({ error: error.message })}\n`))
      .then(() => void (this.running = undefined));
    this.running = { socket, done };
  }

  private async backUp(socket: Socket): Promise<void> {
    const lines = createInterface({ input: socket });
    // Registered before the first await: a line, or the end of the client, must not be missed.
    const copied = new Promise<void>((resolve) => {
      lines.once('line', () => resolve());
      socket.once('close', () => resolve());
    });
    const [started] = await this.execute(START).catch(async (error: { code?: string }) => {
      if (error.code !== IN_BACKUP_MODE) throw error;
      await this.execute(STOP);
      return this.execute(START);
    });
    socket.write(`${JSON.stringify(started)}\n`);
    await copied;
    const [stopped] = await this.execute(STOP);
    socket.end(`${JSON.stringify(stopped)}\n`);
  }
}
