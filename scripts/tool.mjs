// `npm run check:consistency` and `npm run bench`: a program of tools/, by its folder, on a build that is up to date.
import { ensureBuilt } from './prepare.mjs';

const [name] = process.argv.splice(2, 1);
ensureBuilt();
const { register } = await import('tsx/esm/api');
register();
await import(`../tools/${name}/main.ts`);
