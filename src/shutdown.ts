import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { config } from './config.js';
import { HealthController } from './health/health.controller.js';
import { logger } from './http/logger.js';

/**
 * ms between the end of SHUTDOWN_TIMEOUT and the end of the process. A webhook that is being sent takes up to
 * 15 s.
 */
const LAST_RESORT = 20_000;

/** Seconds until a load balancer has noticed that this server is not ready. A person does not wait for one. */
const DELAY = process.stdin.isTTY || process.stdout.isTTY ? 0 : 5;

/** ms in which a second signal is the first one again: a terminal sends it to npm and to us, and npm passes it on. */
const ECHO = 1_000;

/** ms between two looks for connections that have become idle. */
const POLLING = 100;

/**
 * Leaves: /health/ready answers 503, and requests are served for SHUTDOWN_DELAY seconds more, so that a load balancer
 * has time to send them elsewhere.
 *
 * Drain: stops to listen, answers the requests that run, finishes deliveries and jobs, and closes the
 * database.
 *
 * Deadlines: connections that are still busy after SHUTDOWN_TIMEOUT are cut off. After LAST_RESORT more, the
 * process exits with 1 although something still runs, such as a query of a database that hangs. That is like
 * a crash: nothing acknowledged is lost.
 */
export class Shutdown {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  /** Of `performance.now()`: when the first signal came. */
  private leftAt?: number;
  private endDelay?: () => void;

  constructor(private readonly app: NestFastifyApplication) {
    this.server = app.getHttpServer();
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** Ends the process. A second signal ends the delay. */
  async stop(): Promise<void> {
    if (this.leftAt !== undefined) {
      if (performance.now() - this.leftAt > ECHO) this.endDelay?.();
      return;
    }
    this.leftAt = performance.now();
    await this.leave(config.SHUTDOWN_DELAY ?? DELAY);
    logger.info('stopping: draining requests, deliveries and jobs');
    this.setDeadlines();
    this.closeIdleConnections();
    await this.app.close();
    logger.info('stopped');
    logger.flush(() => process.exit(0));
  }

  private async leave(seconds: number): Promise<void> {
    this.app.get(HealthController).leave();
    if (seconds === 0) return;
    logger.info({ seconds }, 'leaving: not ready any more, still serving');
    // A client with an open connection makes its next one where the balancer leads it.
    this.server.prependListener('request', (_request, response: ServerResponse) => {
      response.setHeader('Connection', 'close');
    });
    await new Promise<void>((resolve) => {
      this.endDelay = resolve;
      setTimeout(resolve, seconds * 1_000);
    });
  }

  private setDeadlines(): void {
    const timeout = config.SHUTDOWN_TIMEOUT * 1_000;
    setTimeout(() => this.server.closeAllConnections(), timeout).unref();
    setTimeout(() => {
      logger.error('stopped at the deadline, although something still runs');
      logger.flush(() => process.exit(1));
    }, timeout + LAST_RESORT).unref();
  }

  /**
   * Node closes idle connections once, when the server stops to listen. A connection that becomes idle later
   * would stay for its keep-alive of 72 s; one that has sent nothing yet (browsers keep such for their next
   * request) does not count as idle at all.
   */
  private closeIdleConnections(): void {
    // To Node, a connection is idle while the last bytes of an answer wait to be sent; closing it would cut
    // them off.
    const closeIdle = this.server.closeIdleConnections.bind(this.server);
    this.server.closeIdleConnections = () => {
      if (![...this.sockets].some(({ writableLength }) => writableLength > 0)) closeIdle();
    };
    setInterval(() => {
      if (this.server.listening) return;
      this.server.closeIdleConnections();
      for (const socket of this.sockets) if (socket.bytesRead === 0) socket.destroy();
    }, POLLING).unref();
  }
}
