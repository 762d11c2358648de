import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

if (existsSync('.env')) process.loadEnvFile('.env');

try {
  // Imported only now: the settings are read from the environment when their module is loaded.
  const { config } = await import('./config.js');
  const { logger } = await import('./common/logger.js');
  const { loadAdminKey } = await import('./auth/admin-key.js');
  const { createApp, listen } = await import('./create-app.js');

  const isEmbedded = config.DATABASE_URL === undefined;
  const adminKey =
    isEmbedded && config.ADMIN_API_KEY === undefined ? loadAdminKey(config.DATA_DIR) : undefined;
  config.ADMIN_API_KEY ??= adminKey?.key;

  const app = await createApp();
  await listen(app);

  const stop = async (signal: string) => {
    logger.info(`${signal}: finishing what runs`);
    // Connections that are still busy after SHUTDOWN_TIMEOUT are cut off.
    setTimeout(() => app.getHttpServer().closeAllConnections(), config.SHUTDOWN_TIMEOUT * 1_000).unref();
    await app.close();
    logger.info('stopped');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void stop(signal));

  const url = config.PUBLIC_URL;
  const keyPlace = adminKey && resolve(adminKey.path);
  const lines = [
    '',
    `  Tidemark serves ${url}   docs: ${url}/docs`,
    `  Database: ${isEmbedded ? `embedded, in ${resolve(config.DATA_DIR)}` : 'DATABASE_URL'}`,
    `  Admin key: ${
      !adminKey
        ? 'ADMIN_API_KEY'
        : adminKey.isNew
          ? `${adminKey.key}   (shown once; kept in ${keyPlace})`
          : keyPlace
    }`,
  ];
  if (adminKey) {
    lines.push(
      '',
      '  Try it:',
      `  curl -X POST ${url}/api/v1/sync/records -H "Authorization: Bearer $(cat '${keyPlace}')" \\`,
      `    -H 'Content-Type: application/json' \\`,
      `    -d '{"developerId":"dev-1","resourceType":"ROUTE","resourceKey":"hello","data":{"km":42}}'`,
    );
  } else if (config.ADMIN_API_KEY === undefined) {
    logger.warn(
      'ADMIN_API_KEY is not set: only existing sync:admin keys and tokens can administer this server',
    );
  }
  console.log(lines.join('\n') + '\n');
} catch (error) {
  console.error(`Tidemark cannot start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
