import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Between a server and its PostgreSQL: what a test makes of the way from the one to the other. */
export class DatabaseProxy {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (socket) => {
      const behind = connect(Number(target.port || 5432), target.hostname);
      for (const [end, other] of [
        [socket, behind],
        [behind, socket],
      ]) {
        this.sockets.add(end);
        end.pipe(other);
        end.on('error', () => other.destroy());
        end.on('close', () => {
          this.sockets.delete(end);
          other.destroy();
        });
      }
    });
  }

  static async start(databaseUrl: string): Promise<DatabaseProxy> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new DatabaseProxy(server, new URL(databaseUrl));
  }

  /** DATABASE_URL by this way. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** Nothing comes through any more, and nobody is told. */
  hang(): void {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  /** Connections end, and new ones are refused. */
  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
