import 'reflect-metadata';
import { existsSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { loadAdminKey } from './clients/admin-key.js';

if (existsSync('.env')) process.loadEnvFile('.env');

let app: NestFastifyApplication | undefined;
let isStopping = false;

/** How long the end may take when no connection is left, in ms: a webhook that is being sent takes up to 15 s. */
const LAST_RESORT = 20_000;

/** Of the server, by which anybody is connected to it. */
const sockets = new Set<Socket>();

/** Ends the process in order, at any moment of its life; while it starts there is nothing to finish. */
async function stop(): Promise<void> {
  // A signal comes twice when a terminal sends it to npm and to us, and npm passes it on.
  if (isStopping) return;
  isStopping = true;
  if (app) {
    const { config } = await import('./config.js');
    const { logger } = await import('./http/logger.js');
    logger.info('stopping: finishing what runs');
    const server: Server = app.getHttpServer();
    // Connections that are still busy after SHUTDOWN_TIMEOUT are cut off. What then still keeps the process, such as a
    // database that answers nothing, could do so for ever; what it was about is as after a crash, and nothing is lost.
    const timeout = config.SHUTDOWN_TIMEOUT * 1_000;
    setTimeout(() => server.closeAllConnections(), timeout).unref();
    setTimeout(() => {
      logger.error('stopped without an end to what runs');
      logger.flush(() => process.exit(1));
    }, timeout + LAST_RESORT).unref();
    // To Node, a connection is idle when the last of an answer waits to be sent, which closing it would cut off. Both our
    // timer below and Node's own end of listening would do that.
    const closeIdleConnections = server.closeIdleConnections.bind(server);
    server.closeIdleConnections = () => {
      if (![...sockets].some(({ writableLength }) => writableLength > 0)) closeIdleConnections();
    };
    // Node closes those that are idle when it stops to listen. One that becomes idle later would stay for its 72 s, and one
    // that has not sent anything yet, such as a browser keeps for its next request, is none that Node calls idle.
    setInterval(() => {
      if (server.listening) return;
      server.closeIdleConnections();
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    }, 100).unref();
    await app.close();
    logger.info('stopped');
    await new Promise((resolve) => logger.flush(resolve));
  }
  process.exit(0);
}
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => void stop());

try {
  // Imported only now: the settings are read from the environment when their module is loaded.
  const { config } = await import('./config.js');
  const { logger } = await import('./http/logger.js');
  const adminKeys = await import('./clients/admin-key.js');
  const { createApp, listen } = await import('./create-app.js');

  // pg-boss does not wait for its own report of how a job ended. With the database away that report fails, and nobody is
  // there to hear of it; the job is run again later, and must not take the server down.
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'unhandled rejection'));

  const isEmbedded = config.DATABASE_URL === undefined;
  const adminKey =
    isEmbedded && config.ADMIN_API_KEY === undefined ? adminKeys.loadAdminKey(config.DATA_DIR) : undefined;
  config.ADMIN_API_KEY ??= adminKey?.key;
  if (config.ADMIN_API_KEY === undefined) {
    logger.warn(
      'ADMIN_API_KEY is not set: only existing sync:admin keys and tokens can administer this server',
    );
  }

  app = await createApp();
  app.getHttpServer().on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await listen(app);
  if (isEmbedded) greet(config.PUBLIC_URL!, resolve(config.DATA_DIR), adminKey);
  else logger.info({ url: config.PUBLIC_URL, docs: `${config.PUBLIC_URL}/docs` }, 'serving');
} catch (error) {
  console.error(`Tidemark cannot start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

/** For the person who has just typed `npm start`. With a server of its own, PostgreSQL's operator reads the log. */
function greet(url: string, dataDir: string, adminKey: ReturnType<typeof loadAdminKey> | undefined): void {
  const lines = ['', `  Tidemark serves ${url}   docs: ${url}/docs`, `  Database: embedded, in ${dataDir}`];
  if (!adminKey) lines.push('  Admin key: ADMIN_API_KEY');
  else {
    const { key, isNew, path } = adminKey;
    lines.push(`  Admin key: ${isNew ? `${key}   (shown once; kept in ${path})` : path}`);
  }
  if (adminKey?.isNew) {
    lines.push(
      '',
      '  Try it:',
      `  curl -X POST ${url}/api/v1/sync/records -H "Authorization: Bearer $(cat '${adminKey.path}')" \\`,
      `    -H 'Content-Type: application/json' \\`,
      `    -d '{"developerId":"dev-1","resourceType":"ROUTE","resourceKey":"hello","data":{"km":42}}'`,
    );
  }
  console.log(lines.join('\n') + '\n');
}
