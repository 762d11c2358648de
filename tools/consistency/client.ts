import type { Random } from '../random.js';

export interface Answer {
  /** 0: the connection died, or was given up, before the answer was complete. -1: nobody was there to ask. */
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- checked by who reads it
  body: any;
}

export interface RequestOptions {
  body?: unknown;
  headers?: Record<string, string>;
  /** Gives up after so many ms, wherever the answer is then. */
  dropAfter?: number;
}

/** Longer than every limit in time of the server (docs/operations.md): no answer by then is no answer. */
const PATIENCE = 60_000;

const NO_ANSWER = { headers: new Headers(), body: undefined };

/** Requests with one credential, each at a random one of the servers. */
export class Client {
  constructor(
    private readonly servers: readonly string[],
    private readonly key: string,
    private readonly random: Random,
  ) {}

  /**
   * Asks one after the other until there is one to ask, as a load balancer does.
   *
   * @param link a path, or a URL whose origin and prefix are replaced: the servers may be behind a proxy
   */
  async request(method: string, link: string, options: RequestOptions = {}): Promise<Answer> {
    const path = link.slice(link.indexOf('/api/v1/'));
    let answer: Answer = { status: -1, ...NO_ANSWER };
    for (const server of this.random.shuffled(this.servers)) {
      answer = await this.send(method, server + path, options);
      if (answer.status !== -1) break;
    }
    return answer;
  }

  private async send(method: string, url: string, options: RequestOptions): Promise<Answer> {
    const { body, headers, dropAfter } = options;
    try {
      const response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${this.key}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(dropAfter ?? PATIENCE),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== '';
      return {
        status: response.status,
        headers: response.headers,
        body: isJson ? JSON.parse(text) : text,
      };
    } catch (error) {
      return { status: isRefused(error) ? -1 : 0, ...NO_ANSWER };
    }
  }

  get(link: string, options?: RequestOptions): Promise<Answer> {
    return this.request('GET', link, options);
  }
}

/** Was there no connection at all? Then the request cannot have done anything. */
function isRefused(error: unknown): boolean {
  return ((error as Error).cause as { code?: string } | undefined)?.code === 'ECONNREFUSED';
}

/** The datetime in the one form in which texts compare as times. */
export const normalized = (datetime: string) => new Date(datetime).toISOString();
