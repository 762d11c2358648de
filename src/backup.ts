import 'reflect-metadata';
import { resolve } from 'node:path';
import { backUp } from './database/embedded/back-up.js';
import { assertHasDatabase, isInUse } from './database/embedded/data-dir.js';
import { loadEnvFile } from './env-file.js';
import { runCommand } from './run-command.js';

/*
 * `npm run backup -- DIRECTORY`: copies the data directory of the embedded database to a new directory, while
 * a server runs on it or not (docs/operations.md).
 */

loadEnvFile();

await runCommand('There is no backup', async () => {
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
  assertHasDatabase(dataDir);
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
});
