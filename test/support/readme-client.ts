import { readFileSync } from 'node:fs';
import type { Api } from './api.js';

type Copy = Map<number, { item_url: string; own?: boolean; pinned?: boolean; content?: unknown }>;
type Sync = (client: { url: string; key?: string; copy: Copy; cursor?: string }) => Promise<string>;

/** The client of README.md: its code is read from that file. */
export class ReadmeClient {
  readonly copy: Copy = new Map();
  private cursor?: string;

  constructor(private readonly api: Api) {}

  async sync(): Promise<void> {
    const { url, key } = this.api;
    this.cursor = await ReadmeClient.code({ url, key, copy: this.copy, cursor: this.cursor });
  }

  private static readonly code: Sync = (() => {
    const [, code] = /```js\n([\s\S]*?)\n```/.exec(readFileSync('README.md', 'utf8'))!;
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own code
    return new Function(`${code}; return sync;`)() as Sync;
  })();
}
