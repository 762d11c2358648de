/** An answer, with its body parsed when it is JSON. */
export interface Answer {
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads whatever came
  body: any;
}

export interface RecordInput {
  developerId: string;
  resourceType: string;
  resourceKey: string;
  data: Record<string, unknown>;
  status?: string;
  metadata?: Record<string, unknown>;
}

export const RECORDS = '/api/v1/sync/records';

/** Requests with one credential. */
export class Api {
  constructor(
    readonly url: string,
    readonly key?: string,
  ) {}

  /** The same credential at another server. */
  at(url: string): Api {
    return new Api(url, this.key);
  }

  async request(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = new Headers(init.headers);
    if (this.key !== undefined && !headers.has('authorization'))
      headers.set('authorization', `Bearer ${this.key}`);
    // A link is followed on the server under test, wherever PUBLIC_URL says that it is.
    const response = await fetch(this.url + path.replace(/^https?:\/\/[^/]+/, ''), {
      ...init,
      method,
      headers,
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== '';
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('GET', path, { headers });
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('POST', path, body, headers);
  }

  patch(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('PATCH', path, body, headers);
  }

  put(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('PUT', path, { headers });
  }

  delete(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('DELETE', path, { headers });
  }

  /** Sends JSON; a string is sent as it is. */
  private send(
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<Answer> {
    return this.request(method, path, {
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  /** One page of the feed. */
  async sync(query: Record<string, string> | string): Promise<Answer> {
    return this.get(`/api/v1/sync.json?${new URLSearchParams(query)}`);
  }

  async create(input: RecordInput) {
    const { status, body } = await this.post(RECORDS, input);
    if (status !== 201) throw new Error(`not created: ${status} ${JSON.stringify(body)}`);
    return body;
  }
}
