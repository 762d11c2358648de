import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { SyncItem } from './sync-client.js';

export type Notification = SyncItem & { user_id: number };

export interface Range {
  user_id: number;
  since: string;
  until: string;
}

/** A request with a verified signature. */
export interface Received {
  /** The header `webhook-id`. */
  id: string;
  headers: IncomingMessage['headers'];
  /** The body, which is what the signature covers. */
  text: string;
  notifications: Notification[];
  /** Null for a test message. */
  range: Range | null;
}

export type Behaviour = (request: Received, response: ServerResponse) => void | Promise<void>;

export const acknowledge = (_request: Received, response: ServerResponse): void =>
  void response.writeHead(204).end();

/**
 * A receiver of webhooks on loopback. It verifies signatures with the package `standardwebhooks`, and stores
 * all requests in order of arrival.
 */
export class Receiver {
  readonly received: Received[] = [];
  /** Requests with an invalid signature or path; tests expect none. */
  readonly refused: unknown[] = [];
  /** Requests that `behave` has finished. */
  private readonly handled = new Set<Received>();
  /** Secrets of the endpoint; a signature of any one of them is valid. */
  secrets: string[] = [];
  /** Requests without an answer: now, and the most so far. */
  inFlight = 0;
  mostInFlight = 0;
  /** How the receiver responds. */
  behave: Behaviour = acknowledge;

  private constructor(private readonly server: ReturnType<typeof createServer>) {}

  static async start(): Promise<Receiver> {
    const server = createServer();
    const receiver = new Receiver(server);
    server.on('request', (request, response) => void receiver.handle(request, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
  }

  /** The distinct messages that `behave` has finished, in order of first arrival, without test messages. */
  get messages(): Received[] {
    const handled = this.received.filter((request) => request.range !== null && this.handled.has(request));
    return [...new Map(handled.map((request) => [request.id, request])).values()];
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    response.on('close', () => this.inFlight--);
    // Ignored: the sender may be dead already.
    response.on('error', () => {});
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const text = Buffer.concat(chunks).toString();
    const headers = request.headers as Record<string, string>;
    // A request for another path is a violation: the server followed a redirect.
    const body = request.url === '/hook' ? this.verify(text, headers) : undefined;
    if (!body) {
      this.refused.push({ headers, text });
      response.writeHead(400).end();
      return;
    }
    const received = { ...body, id: headers['webhook-id'], headers, text };
    this.received.push(received);
    await this.behave(received, response);
    this.handled.add(received);
  }

  private verify(
    text: string,
    headers: Record<string, string>,
  ): Pick<Received, 'notifications' | 'range'> | undefined {
    for (const secret of this.secrets) {
      try {
        return new Webhook(secret).verify(text, headers) as Pick<Received, 'notifications' | 'range'>;
      } catch {
        // Try the next secret.
      }
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Behaviours of a receiver that do not acknowledge a request, by name. */
export const FAILURES: Record<string, Behaviour> = {
  'answers 500': (_request, response) => void response.writeHead(500).end('no'),
  'never answers': () => {},
  'closes the connection': (_request, response) => void (response.socket as Socket).destroy(),
  'closes the connection in the middle of its answer': (_request, response) => {
    response.writeHead(200, { 'content-length': '10' });
    response.write('ok', () => (response.socket as Socket).destroy());
  },
  'changes the protocol': (_request, response) =>
    void (response.socket as Socket).write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n',
    ),
  redirects: (_request, response) => void response.writeHead(308, { location: '/elsewhere' }).end(),
  'sends one byte a second': (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    const timer = setInterval(() => response.write('.'), 1_000);
    response.on('close', () => clearInterval(timer));
  },
};

/**
 * Joins all messages about one developer. The invariants hold after any failure: each range starts at the end
 * of the previous one, and the notifications of a message are in its range and in feed order.
 *
 * @returns all notifications, without duplicates
 * @throws Error if an invariant does not hold
 */
export function joined(messages: Received[], userId: number): Notification[] {
  let end: string | undefined;
  const ofUser = messages.filter(({ range }) => range!.user_id === userId);
  return ofUser.flatMap(({ range, notifications }) => {
    const { since, until } = range!;
    if (end !== undefined && since !== end) throw new Error(`range starts at ${since}, not at ${end}`);
    end = until;
    let last = Date.parse(since);
    for (const { user_id, datetime } of notifications) {
      const time = Date.parse(datetime);
      if (user_id !== userId || !(time > last) || time > Date.parse(until))
        throw new Error(`${datetime} of user ${user_id} is out of order or range in ${since} .. ${until}`);
      last = time;
    }
    if (notifications.length === 0 || notifications.length > 100)
      throw new Error(`${notifications.length} notifications`);
    return notifications;
  });
}
