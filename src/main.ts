import 'reflect-metadata';
import { resolve } from 'node:path';
import type { AdminKey } from './clients/admin-key.js';
import { loadEnvFile } from './env-file.js';
import type { Shutdown } from './shutdown.js';

loadEnvFile();

let shutdown: Shutdown | undefined;
// While the server starts, there is nothing to drain.
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => (shutdown ? void shutdown.stop() : process.exit(0)));

try {
  // Imported only now: settings are read from the environment when their module is loaded.
  const { config } = await import('./config.js');
  const { tryPort } = await import('./http/try-port.js');
  // Before a database is made, or migrated, for a server that could not serve.
  await tryPort(config.PORT, config.HOST);
  const { logger } = await import('./http/logger.js');
  const { AdminKey } = await import('./clients/admin-key.js');
  const { createApp } = await import('./create-app.js');
  const { Shutdown } = await import('./shutdown.js');

  // pg-boss does not await its own report of how a job ended. While the database is away that report fails
  // unheard; the job runs again later.
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'unhandled rejection'));

  const app = await createApp();
  shutdown = new Shutdown(app);
  await app.listen(config.PORT, config.HOST);
  const { PUBLIC_URL: url, DATABASE_URL } = config;
  if (DATABASE_URL === undefined) greet(url, resolve(config.DATA_DIR), app.get(AdminKey));
  else logger.info({ url, docs: `${url}/docs` }, 'serving');
} catch (error) {
  console.error(`Tidemark cannot start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

/** For the person who typed `npm start`. With a PostgreSQL server, the operator reads the log instead. */
function greet(url: string, dataDir: string, { isNew, path }: AdminKey): void {
  const lines = ['', `  Tidemark serves ${url}   docs: ${url}/docs`, `  Database: embedded, in ${dataDir}`];
  lines.push(`  Admin key: ${path ?? 'ADMIN_API_KEY'}`);
  if (isNew) {
    lines.push(
      '',
      '  Try it:',
      `  curl -X POST ${url}/api/v1/sync/records -H "Authorization: Bearer $(cat '${path}')" \\`,
      `    -H 'Content-Type: application/json' \\`,
      `    -d '{"developerId":"dev-1","resourceType":"ROUTE","resourceKey":"hello","data":{"km":42}}'`,
    );
  }
  console.log(lines.join('\n') + '\n');
}
