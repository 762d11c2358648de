// `npm run check:consistency`, `npm run bench`: runs a program of tools/, by folder name, on a fresh build.
import { ensureBuilt } from './prepare.mjs';

const [name] = process.argv.splice(2, 1);
await ensureBuilt({ forDevelopers: true });
const { register } = await import('tsx/esm/api');
register();
await import(`../tools/${name}/main.ts`);
