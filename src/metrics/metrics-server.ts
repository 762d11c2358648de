import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Registry } from 'prom-client';
import { config } from '../config.js';
import { DatabaseMetrics } from './database-metrics.js';

/** ms that the end of the process waits for a scrape. One takes at most 5 s. */
const DRAIN = 6_000;

/**
 * `GET /metrics` in the text format of Prometheus, on a listener of its own: a proxy of the public port cannot
 * reach it. No credential: it listens on loopback by default (METRICS_HOST).
 *
 * It serves until the last request of the public port is answered.
 */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(MetricsServer.name);
  private readonly server = createServer((request, response) => void this.answer(request, response));

  constructor(
    private readonly registry: Registry,
    private readonly database: DatabaseMetrics,
  ) {}

  /** @throws Error of one line if the port cannot be used */
  async onApplicationBootstrap(): Promise<void> {
    const { METRICS_PORT: port, METRICS_HOST: host } = config;
    try {
      await once(this.server.listen(port, host), 'listening');
    } catch (error) {
      throw new Error(`METRICS_PORT cannot be used: ${(error as Error).message}`, { cause: error });
    }
    this.logger.log({ port, host }, 'serving metrics');
  }

  /** Drain: a scrape that runs gets its answer. */
  async onApplicationShutdown(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeIdleConnections();
    const timer = setTimeout(() => this.server.closeAllConnections(), DRAIN);
    await closed;
    clearTimeout(timer);
  }

  private async answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (url?.split('?', 1)[0] !== '/metrics')
      return this.send(response, 404, 'The metrics are at /metrics.\n');
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return this.send(response, 405, 'Only GET.\n');
    }
    try {
      await this.database.refresh();
      response.setHeader('content-type', this.registry.contentType);
      this.send(response, 200, await this.registry.metrics());
    } catch (error) {
      this.logger.error({ err: error }, 'a scrape failed');
      this.send(response, 500, 'Internal server error\n');
    }
  }

  private send(response: ServerResponse, status: number, body: string): void {
    if (!response.hasHeader('content-type')) response.setHeader('content-type', 'text/plain; charset=utf-8');
    // Drain: the connection does not outlive the answer.
    if (!this.server.listening) response.setHeader('connection', 'close');
    response.writeHead(status, { 'content-length': Buffer.byteLength(body) }).end(body);
  }
}
