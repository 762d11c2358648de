// `npm run dev`: the server on the embedded database, restarted on every change of src, with readable logs.
import { spawn } from 'node:child_process';
import pretty from 'pino-pretty';
import { ensureInstalled } from './prepare.mjs';

ensureInstalled();
const nest = spawn(
  process.execPath,
  ['node_modules/@nestjs/cli/bin/nest.js', 'start', '--watch', '--preserveWatchOutput', '--no-shell'],
  { env: { ...process.env, DATABASE_URL: '' }, stdio: ['ignore', 'pipe', 'inherit'] },
);
// Other lines than JSON logs, such as those of the compiler, pass through unchanged.
nest.stdout.pipe(
  pretty({ translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true, sync: true }),
);
// A terminal sends the signal to both; the CLI passes it on to the server, which drains.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => nest.kill(signal));
nest.on('exit', (code) => process.exit(code ?? 0));
