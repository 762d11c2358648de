// A command for operators, on a fresh build: `npm run restored`, `backup`, `restore`, `move-to-postgres`.
import { ensureBuilt } from './prepare.mjs';

const [name] = process.argv.splice(2, 1);
await ensureBuilt();
await import(`../dist/src/${name}.js`);
