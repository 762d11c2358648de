import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** TCP proxy between a server and its PostgreSQL, with which a test injects network faults. */
export class DatabaseProxy {
  /** Number of connections so far. */
  connections = 0;
  private readonly sockets = new Set<Socket>();
  private isHanging = false;

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (socket) => {
      this.connections++;
      if (this.isHanging) {
        this.sockets.add(socket.pause());
        socket.on('error', () => {});
        return;
      }
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

  /** Black hole: the proxy forwards nothing any more. All connections stay open, and new ones are accepted. */
  hang(): void {
    this.isHanging = true;
    this.lose();
  }

  /** The same for the connections that are open now. */
  lose(): void {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  /** Forwards new connections again. The old ones go on to hang. */
  repair(): void {
    this.isHanging = false;
  }

  /** Closes all connections and refuses new ones. */
  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
