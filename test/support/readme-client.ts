import { readFileSync } from 'node:fs';
import type { Api } from './api.js';
import type { Copy as Ticks } from './digest.js';

type Item = { item_url: string; content?: unknown } & NonNullable<ReturnType<Ticks['get']>>;
type Copy = Map<number, Item>;
type Client = { url: string; key?: string; copy: Copy; cursor?: string; prove?: boolean };

/** The client of README.md: its code is read from that file. */
export class ReadmeClient {
  readonly copy: Copy = new Map();
  cursor?: string;

  constructor(private api: Api) {}

  /** Follows the developer on another server. */
  moveTo(api: Api): void {
    this.api = api;
  }

  /** @param prove compare the copy with the library; by default after the first sync */
  async sync(prove?: boolean): Promise<void> {
    const { url, key } = this.api;
    this.cursor = await ReadmeClient.code({ url, key, copy: this.copy, cursor: this.cursor, prove });
  }

  private static readonly code = (() => {
    const [, code] = /```js\n([\s\S]*?)\n```/.exec(readFileSync('README.md', 'utf8'))!;
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own code
    return new Function(`${code}; return sync;`)() as (client: Client) => Promise<string>;
  })();
}
