// `npm run dev`: the server on the embedded database, restarted after every change of src that compiles.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ENTRY_FILE, ensureInstalled, tsConfigPath } from './prepare.mjs';

await ensureInstalled({ forDevelopers: true });
const { default: ts } = await import('typescript');

/** The message of TypeScript for a compilation without errors, after which it watches the files. */
const NO_ERRORS = 'Found 0 errors. Watching for file changes.';

let server;
let restart = Promise.resolve();

const startServer = () =>
  (server = spawn(process.execPath, ['--enable-source-maps', ENTRY_FILE], {
    env: { SHUTDOWN_DELAY: '0', ...process.env, DATABASE_URL: '', DATABASE_REPLICA_URL: '' },
    stdio: 'inherit',
  }));

/** The server drains, and its lock of the data directory goes with it, before the next one starts. */
async function stopServer(signal) {
  if (!server || server.exitCode !== null || server.signalCode !== null) return;
  server.kill(signal);
  await once(server, 'exit');
}

const host = ts.createWatchCompilerHost(
  tsConfigPath,
  {},
  ts.sys,
  ts.createEmitAndSemanticDiagnosticsBuilderProgram,
  (diagnostic) =>
    console.error(
      ts.formatDiagnosticsWithColorAndContext([diagnostic], {
        getCanonicalFileName: (name) => name,
        getCurrentDirectory: () => process.cwd(),
        getNewLine: () => '\n',
      }),
    ),
  ({ messageText }) => {
    console.log(messageText);
    if (messageText === NO_ERRORS) restart = restart.then(() => stopServer('SIGTERM')).then(startServer);
  },
);
const watch = ts.createWatchProgram(host);

// A terminal sends SIGINT to the server, too: a second one does no harm.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    watch.close();
    restart = restart.then(() => stopServer(signal)).then(() => process.exit(0));
  });
