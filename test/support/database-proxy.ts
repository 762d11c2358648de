import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** TCP proxy between a server and its PostgreSQL, with which a test injects network faults. */
export class DatabaseProxy {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (socket) => {
      const upstream = connect(Number(target.port || 5432), target.hostname);
      for (const [end, other] of [
        [socket, upstream],
        [upstream, socket],
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

  /** DATABASE_URL through this proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** Black hole: the proxy forwards nothing any more, and connections stay open. */
  hang(): void {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  /** Closes all connections and refuses new ones. */
  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
