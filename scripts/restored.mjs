// `npm run restored`: declares a restored database (src/restored.ts), on a fresh build.
import { ensureBuilt } from './prepare.mjs';

await ensureBuilt();
await import('../dist/src/restored.js');
