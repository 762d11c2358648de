// `npm run check:consistency`: the checker of tools/consistency, on a build that is up to date.
import { ensureBuilt } from './prepare.mjs';

ensureBuilt();
const { register } = await import('tsx/esm/api');
register();
await import('../tools/consistency/main.ts');
