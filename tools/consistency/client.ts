import type { Random } from '../random.js';

export interface HttpResponse {
  /**
   * 0: the connection was lost or aborted before the response was complete. -1: no server accepted a
   * connection.
   */
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- checked by its readers
  body: any;
}

export interface StreamEvent {
  id: string;
  event: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- checked by its readers
  data: any;
}

export interface RequestOptions {
  body?: unknown;
  headers?: Record<string, string>;
  /** Aborts the request after so many ms, at whatever point its response is then. */
  abortAfter?: number;
}

/**
 * Longer than every timeout of the server (docs/operations.md): a response that takes longer will not come.
 */
const REQUEST_TIMEOUT_MS = 60_000;

const NO_RESPONSE = { headers: new Headers(), body: undefined };

/** Sends requests with one credential, each to a random server. */
export class Client {
  constructor(
    private readonly servers: readonly string[],
    private readonly key: string,
    private readonly random: Random,
  ) {}

  /**
   * Tries one server after the other until one accepts the connection, as a load balancer does.
   *
   * @param link a path, or a URL whose origin and prefix are replaced: the servers may be behind a proxy
   */
  async request(method: string, link: string, options: RequestOptions = {}): Promise<HttpResponse> {
    const path = link.slice(link.indexOf('/api/v1/'));
    let response: HttpResponse = { status: -1, ...NO_RESPONSE };
    for (const server of this.random.shuffled(this.servers)) {
      response = await this.send(method, server + path, options);
      if (response.status !== -1) break;
    }
    return response;
  }

  private async send(method: string, url: string, options: RequestOptions): Promise<HttpResponse> {
    const { body, headers, abortAfter } = options;
    try {
      const response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${this.key}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(abortAfter ?? REQUEST_TIMEOUT_MS),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== '';
      return {
        status: response.status,
        headers: response.headers,
        body: isJson ? JSON.parse(text) : text,
      };
    } catch (error) {
      return { status: isConnectionRefused(error) ? -1 : 0, ...NO_RESPONSE };
    }
  }

  /**
   * Server-sent events, read for a while; then the connection is dropped.
   *
   * @param id of the last event that was received
   * @param duration in ms
   */
  async stream(
    path: string,
    id: string | undefined,
    duration: number,
  ): Promise<Pick<HttpResponse, 'status' | 'headers' | 'body'> & { events: StreamEvent[] }> {
    for (const server of this.random.shuffled(this.servers)) {
      const events: StreamEvent[] = [];
      let response: Response | undefined;
      try {
        response = await fetch(server + path, {
          headers: {
            authorization: `Bearer ${this.key}`,
            accept: 'text/event-stream',
            ...(id !== undefined && { 'last-event-id': id }),
          },
          signal: AbortSignal.timeout(duration),
        });
        const { status, headers } = response;
        if (status !== 200) return { status, headers, body: await response.json(), events };
        let text = '';
        for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
          const parts = (text + chunk).split('\n\n');
          text = parts.pop()!;
          events.push(...parts.filter((part) => !part.startsWith(':')).map(parseEvent));
        }
      } catch (error) {
        if (isConnectionRefused(error)) continue;
      }
      return {
        ...NO_RESPONSE,
        status: response?.status ?? 0,
        headers: response?.headers ?? new Headers(),
        events,
      };
    }
    return { status: -1, ...NO_RESPONSE, events: [] };
  }

  get(link: string, options?: RequestOptions): Promise<HttpResponse> {
    return this.request('GET', link, options);
  }
}

function parseEvent(text: string): StreamEvent {
  const fields = Object.fromEntries(text.split('\n').map((line) => line.split(/: (.*)/s, 2)));
  return { id: fields.id, event: fields.event ?? 'message', data: JSON.parse(fields.data) };
}

/** No connection was made, so the request cannot have had any effect. */
function isConnectionRefused(error: unknown): boolean {
  return ((error as Error).cause as { code?: string } | undefined)?.code === 'ECONNREFUSED';
}

/** `YYYY-MM-DDTHH:MM:SS.mmmZ`: the form in which string order is time order. */
export const normalizeDatetime = (datetime: string) => new Date(datetime).toISOString();
