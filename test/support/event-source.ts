import type { Api } from './api.js';

export interface StreamEvent {
  /** `comment` for a line that is no event. */
  event: string;
  id?: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads any body
  data?: any;
}

/** A client of server-sent events, by `fetch`: the browser's own cannot send a credential. */
export class EventSource {
  readonly events: StreamEvent[] = [];
  readonly response: Promise<Response>;
  readonly ended: Promise<void>;
  private readonly abort = new AbortController();

  constructor(api: Api, path: string, headers: Record<string, string> = {}) {
    this.response = fetch(api.url + path.replace(/^https?:\/\/[^/]+/, ''), {
      headers: { Authorization: `Bearer ${api.key}`, Accept: 'text/event-stream', ...headers },
      signal: this.abort.signal,
    });
    // A lost connection ends the stream.
    this.ended = this.read().catch(() => {});
  }

  /** Pages so far. */
  get pages() {
    return this.events.filter(({ event }) => event === 'message').map(({ data }) => data);
  }

  /** Closes the connection. */
  close(): Promise<void> {
    this.abort.abort();
    return this.ended;
  }

  private async read(): Promise<void> {
    const { body } = await this.response;
    let text = '';
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      const parts = (text + chunk).split('\n\n');
      text = parts.pop()!;
      this.events.push(...parts.map(parse));
    }
  }
}

function parse(text: string): StreamEvent {
  const fields = Object.fromEntries(
    text.split('\n').map((line) => /^(\w*): ?(.*)$/.exec(line)?.slice(1) ?? ['', line]),
  );
  if ('' in fields) return { event: 'comment' };
  return { event: fields.event ?? 'message', id: fields.id, data: JSON.parse(fields.data) };
}
