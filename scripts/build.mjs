// `npm run build`: compiles into dist, as nest-cli.json says. The packages of the server suffice (`npm ci --omit=dev`).
import { build, ensureInstalled } from './prepare.mjs';

await ensureInstalled();
build();
