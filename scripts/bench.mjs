// `npm run bench`: the benchmark of tools/bench, on a build that is up to date.
import { ensureBuilt } from './prepare.mjs';

ensureBuilt();
const { register } = await import('tsx/esm/api');
register();
await import('../tools/bench/main.ts');
