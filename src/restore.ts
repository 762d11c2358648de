import 'reflect-metadata';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { restore } from './database/embedded/restore.js';
import { loadEnvFile } from './env-file.js';
import { runCommand } from './run-command.js';

/*
 * `npm run restore -- DIRECTORY`: puts a backup into the data directory of the embedded database, and begins a
 * new history (docs/operations.md).
 */

loadEnvFile();

await runCommand('Nothing was restored', async () => {
  const { values, positionals } = parseArgs({
    options: { overwrite: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (positionals.length !== 1) throw new Error('Usage: npm run restore -- DIRECTORY [--overwrite]');
  // Imported only now: settings are read from the environment when their module is loaded.
  const { config } = await import('./config.js');
  if (config.DATABASE_URL !== undefined)
    throw new Error('DATABASE_URL is set: restore that database with the tools of PostgreSQL');
  // npm changes the directory.
  const backup = resolve(process.env.INIT_CWD ?? '.', positionals[0]);
  const earlier = await restore(backup, config.DATA_DIR, values.overwrite, async (copy) => {
    // A process of its own: the settings of this one name the other directory.
    const program = resolve(import.meta.dirname, 'restored.js');
    const { stdout } = await promisify(execFile)(process.execPath, [program], {
      env: { ...process.env, DATA_DIR: copy, DATABASE_URL: '', DATABASE_REPLICA_URL: '' },
    }).catch((error: Error & { stderr?: string }) => {
      throw new Error(error.stderr?.trim() || error.message, { cause: error });
    });
    process.stdout.write(stdout);
  });
  console.log(`Restored into ${resolve(config.DATA_DIR)}.`);
  if (earlier !== undefined)
    console.log(`Its earlier contents are in ${earlier}; delete them when you like.`);
});
