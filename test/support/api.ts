/** An HTTP response; a JSON body is parsed. */
export interface Answer {
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads any body
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

/** Sends requests with one credential. */
export class Api {
  constructor(
    readonly url: string,
    readonly key?: string,
  ) {}

  /** The same credential on another server. */
  at(url: string): Api {
    return new Api(url, this.key);
  }

  /** Another credential on the same server. */
  with(key: string): Api {
    return new Api(this.url, key);
  }

  async request(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = new Headers(init.headers);
    if (this.key !== undefined && !headers.has('authorization'))
      headers.set('authorization', `Bearer ${this.key}`);
    // Drops the origin: a link of a response starts with PUBLIC_URL, but is requested from the server under
    // test.
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

  /** Sends a JSON body; a string is sent unchanged. */
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

  /** Sends one sync request. */
  async sync(query: Record<string, string> | string): Promise<Answer> {
    return this.get(`/api/v1/sync.json?${new URLSearchParams(query)}`);
  }

  /** Creates a record. */
  async create(input: RecordInput) {
    const { status, body } = await this.post(RECORDS, input);
    if (status !== 201) throw new Error(`not created: ${status} ${JSON.stringify(body)}`);
    return body;
  }
}
