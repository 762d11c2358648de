// Plain JavaScript, because a worker thread starts from a file of its own, and tests run from the sources.
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { parentPort, workerData } from 'node:worker_threads';

/** @type {{ directory: string, socketPath: string }} */
const { directory, socketPath } = workerData;
const db = await PGlite.create(directory, {
  // The default of 128 MB is touched page by page and never given back. The system caches the files as well.
  startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=16MB'],
});
const server = new PGLiteSocketServer({ db, path: socketPath });
await server.start();

parentPort?.once('message', async () => {
  await server.stop();
  await db.close();
  parentPort?.postMessage('stopped');
});
parentPort?.postMessage('started');
