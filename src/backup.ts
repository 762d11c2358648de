import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { backUp } from './database/embedded/back-up.js';
import { isInUse } from './database/embedded/data-dir.js';
import { loadEnvFile } from './env-file.js';

/*
 * `npm run backup -- DIRECTORY`: copies the data directory of the embedded database to a new directory, while
 * a server runs on it or not (docs/operations.md).
 */

loadEnvFile();

try {
  const [target, ...rest] = process.argv.slice(2);
  if (!target || target.startsWith('-') || rest.length > 0)
    throw new Error('Usage: npm run backup -- DIRECTORY');
  // Imported only now: settings are read from the environment when their module is loaded.
  const { config } = await import('./config.js');
  if (config.DATABASE_URL !== undefined)
    throw new Error(
      'DATABASE_URL is set: back up that database with the tools of PostgreSQL, such as pg_dump',
    );
  const dataDir = resolve(config.DATA_DIR);
  if (!existsSync(join(dataDir, 'postgres', 'PG_VERSION')))
    throw new Error(`DATA_DIR ${dataDir} has no database`);
  // npm changes the directory.
  const path = resolve(process.env.INIT_CWD ?? '.', target);
  if (isInUse(dataDir)) await backUp(dataDir, path);
  else {
    const { default: dataSource } = await import('../ormconfig.js');
    await dataSource.initialize();
    await backUp(dataDir, path).finally(() => dataSource.destroy());
  }
  console.log(`${path} has the database, and the keys that are files of ${dataDir}: keep it secret.`);
  for (const name of ['SECRETS_KEY', 'ADMIN_API_KEY'] as const)
    if (config[name] !== undefined)
      console.log(`It does not have ${name}, which is a setting: keep that, too.`);
} catch (error) {
  console.error(`There is no backup: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
