// The built server with short times of the webhook sender: a dead process keeps its positions for 5 s, not 30 s.
import { URL } from 'node:url';

const { DEFAULT_OPTIONS } = await import(
  new URL('../../dist/src/webhooks/sender/options.js', import.meta.url).href
);
Object.assign(DEFAULT_OPTIONS, { lease: 5_000, timeout: 3_000 });
await import(new URL('../../dist/src/main.js', import.meta.url).href);
