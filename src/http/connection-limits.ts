import ipaddr from 'ipaddr.js';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { config } from '../config.js';
import { connectionRefused } from '../signals/signals.js';
import { CORS_LINES } from './cors.js';
import { logger } from './logger.js';
import { networkOf } from './network.js';

/** Descriptors for the database, webhooks, files and the rest. */
const OTHER_DESCRIPTORS = 124;

/** Each takes some 40 kB. The embedded database takes its 250 MiB of the same process. */
const MAX_CONNECTIONS = config.DATABASE_URL === undefined ? 2_000 : 10_000;

/** The usual limit of a service, where the system does not tell. */
const USUAL_DESCRIPTORS = 1_024;

/** ms that the limit of descriptors is remembered: an operator may change it (`prlimit`). */
const MAX_AGE = 1_000;

/** ms without a byte of an answer that the client takes, and between two looks. */
const MAX_STALL = 60_000;
const STALL_INTERVAL = 5_000;

/** ms between two lines of the log. */
const LOG_INTERVAL = 10_000;

const BODY = JSON.stringify({ error: 'Too many connections', code: 'service_unavailable' });
const REFUSAL =
  'HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\n' +
  `${CORS_LINES}Content-Length: ${BODY.length}\r\nConnection: close\r\n\r\n${BODY}`;

/**
 * DoS: limits the open connections of the process (CONNECTION_LIMIT), two thirds of them to one address or /64,
 * proxies of TRUST_PROXY aside. Eviction: a new connection takes the place of one without a request in flight,
 * first of those that have never sent one. Where all are busy, it gets 503.
 *
 * A connection without a request is cut off after 10 s (`headersTimeout`), one whose client takes no byte of its
 * answer after 60 to 65 s. (Node's own timeout takes up to 120 s: it asks only when it fires whether anything was
 * sent.)
 */
export class ConnectionLimits {
  /** Connections without any request so far, and those between two requests. The oldest is first. */
  private readonly silent = new Set<Socket>();
  private readonly idle = new Set<Socket>();
  private readonly networks = new Map<Socket, string>();
  private readonly counts = new Map<string, number>();
  private readonly trusted: [ipaddr.IPv4 | ipaddr.IPv6, number][];
  /** Connections with bytes to send: how many have been sent, and since when no more. */
  private readonly stalls = new Map<Socket, { sent: number; since: number }>();
  private loggedAt = -Infinity;

  constructor(server: Server) {
    this.trusted = (config.TRUST_PROXY ?? []).map((network) =>
      ipaddr.parseCIDR(network.includes('/') ? network : `${network}/${network.includes(':') ? 128 : 32}`),
    );
    server.prependListener('connection', (socket: Socket) => this.open(socket));
    const timer = setInterval(() => this.cutOffStalled(), STALL_INTERVAL).unref();
    server.once('close', () => clearInterval(timer));
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.begin(request.socket, response),
    );
  }

  private open(socket: Socket): void {
    const network = networkOf(socket.remoteAddress ?? '');
    const limit = connectionLimit();
    const isNetworkFull = !this.isTrusted(socket.remoteAddress) && this.countOf(network) >= (limit * 2) / 3;
    const isFull = isNetworkFull || this.networks.size >= limit;
    if (isFull && !this.evict(isNetworkFull ? network : undefined)) {
      connectionRefused.publish({ result: 'refused' });
      this.log('connections are refused: all are busy', network);
      socket.write(REFUSAL);
      return socket.destroySoon();
    }
    this.networks.set(socket, network);
    this.counts.set(network, this.countOf(network) + 1);
    this.silent.add(socket);
    socket.once('close', () => this.close(socket));
  }

  /** @param network of the connection; undefined: any. @returns whether there was one */
  private evict(network: string | undefined): boolean {
    for (const sockets of [this.silent, this.idle])
      for (const socket of sockets)
        if (network === undefined || this.networks.get(socket) === network) {
          connectionRefused.publish({ result: 'evicted' });
          this.log(
            'connections without a request are cut off: there are too many',
            this.networks.get(socket)!,
          );
          socket.destroy();
          this.close(socket);
          return true;
        }
    return false;
  }

  private begin(socket: Socket, response: ServerResponse): void {
    this.silent.delete(socket);
    this.idle.delete(socket);
    response.once('close', () => {
      if (this.networks.has(socket)) this.idle.add(socket);
    });
  }

  private cutOffStalled(): void {
    const now = performance.now();
    for (const socket of this.networks.keys()) {
      if (socket.writableLength === 0) {
        this.stalls.delete(socket);
        continue;
      }
      const sent = sentBy(socket);
      const stall = this.stalls.get(socket);
      if (stall?.sent !== sent) this.stalls.set(socket, { sent, since: now });
      else if (now - stall.since >= MAX_STALL) socket.destroy();
    }
  }

  private close(socket: Socket): void {
    const network = this.networks.get(socket);
    if (network === undefined) return;
    this.networks.delete(socket);
    this.silent.delete(socket);
    this.idle.delete(socket);
    this.stalls.delete(socket);
    const count = this.countOf(network) - 1;
    if (count > 0) this.counts.set(network, count);
    else this.counts.delete(network);
  }

  private countOf(network: string): number {
    return this.counts.get(network) ?? 0;
  }

  private isTrusted(address: string | undefined): boolean {
    if (address === undefined || this.trusted.length === 0) return false;
    const parsed = ipaddr.process(address);
    return this.trusted.some(
      ([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits),
    );
  }

  private log(message: string, network: string): void {
    if (performance.now() - this.loggedAt < LOG_INTERVAL) return;
    this.loggedAt = performance.now();
    logger.warn({ network }, message);
  }
}

/**
 * Bytes that the system has taken. `bytesWritten` of a socket counts what still waits in the queue of libuv, too;
 * Node's timeouts read the same field of the handle.
 */
function sentBy(socket: Socket): number {
  const { _handle } = socket as { _handle?: { bytesWritten: number; writeQueueSize: number } | null };
  return _handle ? _handle.bytesWritten - _handle.writeQueueSize : 0;
}

let descriptors = { limit: 0, readAt: -Infinity };

/** Open connections that this process may have now. */
export function connectionLimit(): number {
  if (config.CONNECTION_LIMIT !== undefined) return config.CONNECTION_LIMIT;
  const now = performance.now();
  if (now - descriptors.readAt > MAX_AGE)
    descriptors = { limit: descriptorLimit() - OTHER_DESCRIPTORS, readAt: now };
  return Math.min(Math.max(descriptors.limit, 10), MAX_CONNECTIONS);
}

/** Soft limit of file descriptors of this process. */
function descriptorLimit(): number {
  try {
    const [, soft] = /^Max open files +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))!;
    return soft === 'unlimited' ? Infinity : Number(soft);
  } catch {
    return USUAL_DESCRIPTORS;
  }
}
