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

/** A request as it came, verified. */
export interface Received {
  /** `webhook-id`. */
  id: string;
  headers: IncomingMessage['headers'];
  /** The body as text: what is signed. */
  text: string;
  notifications: Notification[];
  /** Null in a test. */
  range: Range | null;
}

export type Behaviour = (request: Received, response: ServerResponse) => void | Promise<void>;

export const acknowledge = (_request: Received, response: ServerResponse): void =>
  void response.writeHead(204).end();

/**
 * A receiver of webhooks on this machine. It believes nothing that the `standardwebhooks` package does not verify, and keeps all
 * that was sent to it, in order of arrival.
 */
export class Receiver {
  readonly received: Received[] = [];
  /** What could not be verified, which a test expects to be nothing. */
  readonly refused: unknown[] = [];
  /** What `behave` is done with. */
  private readonly handled = new Set<Received>();
  /** Of the endpoint; each verifies by itself. */
  secrets: string[] = [];
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

  /** The distinct messages that have been dealt with, in order of their first arrival, without tests. */
  get messages(): Received[] {
    const handled = this.received.filter((request) => request.range !== null && this.handled.has(request));
    return [...new Map(handled.map((request) => [request.id, request])).values()];
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Who sent it may be dead already.
    response.on('error', () => {});
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const text = Buffer.concat(chunks).toString();
    const headers = request.headers as Record<string, string>;
    // Nothing has a reason to ask for anything else: a redirect that is followed would.
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
        // Perhaps another secret does.
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

/** What a receiver does to a request that it does not acknowledge, by name. */
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
 * What all messages about one developer have to be, whatever has happened: each range begins where the one before it ended, and the
 * notifications of one message are in its range and in the order of the feed.
 *
 * @returns the notifications, each once
 */
export function joined(messages: Received[], userId: number): Notification[] {
  let end: string | undefined;
  const ofUser = messages.filter(({ range }) => range!.user_id === userId);
  return ofUser.flatMap(({ range, notifications }) => {
    const { since, until } = range!;
    if (end !== undefined && since !== end) throw new Error(`${since} does not join ${end}`);
    end = until;
    let last = Date.parse(since);
    for (const { user_id, datetime } of notifications) {
      const time = Date.parse(datetime);
      if (user_id !== userId || !(time > last) || time > Date.parse(until))
        throw new Error(`${datetime} of ${user_id} is not in its place in ${since} .. ${until}`);
      last = time;
    }
    if (notifications.length === 0 || notifications.length > 100)
      throw new Error(`${notifications.length} notifications`);
    return notifications;
  });
}
