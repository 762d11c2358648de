import 'reflect-metadata';
import { loadEnvFile } from './env-file.js';
import { runCommand } from './run-command.js';

/*
 * `npm run restored`: declares that the database is a restored snapshot of a volume, or a new one in place of
 * one that was lost. Neither can be seen from inside (docs/operations.md).
 */

loadEnvFile();

await runCommand('Nothing was declared', async () => {
  // Imported only now: settings are read from the environment when their module is loaded.
  const { default: dataSource } = await import('../ormconfig.js');
  const { Histories } = await import('./histories/histories.js');
  await dataSource.initialize();
  await dataSource.migrate();
  const histories = new Histories(dataSource);
  await histories.start();
  const { from, to } = await histories.declare();
  await dataSource.destroy();
  console.log(
    `A new history begins. Cursors after ${new Date(from).toISOString()} and up to ` +
      `${new Date(to).toISOString()} get 410 and start anew, unless their change has survived.`,
  );
});
