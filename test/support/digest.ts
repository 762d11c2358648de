import { readFileSync } from 'node:fs';

export interface Digest {
  items: number;
  xor: string;
}

/** By item id: the datetime of the latest change of the own item, and of the pin. */
export type Copy = Map<number, { own?: string; pinned?: string }>;

/** The function of docs/sync-feed.md, Proof of the copy. */
export const DIGEST_CODE = /```js\n(async function digestOf[\s\S]*?)```/.exec(
  readFileSync('docs/sync-feed.md', 'utf8'),
)![1];

// eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own code
export const digestOf = new Function(`${DIGEST_CODE}; return digestOf;`)() as (copy: Copy) => Promise<Digest>;
