import { tryLock } from 'fs-native-extensions';
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** All that a server on an embedded database needs: its database, and the secrets that it made itself. */
export const CONTENTS = ['secrets-key', 'admin-api-key', 'postgres'] as const;

/** Fence: the database has moved to a PostgreSQL server. A second writer would split its history. */
export const MOVED = 'moved';

/** Directory that `npm run restore` fills before it replaces the contents. */
export const RESTORING = 'restoring';

/** Not `recursive: true`: where the system denies that a parent exists, as in /proc, Node.js tries for ever. */
export function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/**
 * The directory of an embedded server, created if missing.
 *
 * @returns its absolute path
 * @throws Error that names the setting
 */
export function openDataDir(dataDir: string): string {
  const path = resolve(dataDir);
  try {
    makeDirectory(path);
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(`DATA_DIR ${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
  return path;
}

/**
 * Takes the directory for this process. The kernel drops this lock with the process, however it ends: a stale
 * lock cannot exist.
 *
 * @returns releases it
 * @throws Error when another process has it
 */
export function lockDataDir(path: string): () => void {
  const file = openSync(join(path, 'lock'), 'a+');
  if (!tryLock(file)) {
    closeSync(file);
    throw new Error(`DATA_DIR ${path} is in use by another process`);
  }
  return () => closeSync(file);
}

/** Whether there is a database in the directory: initdb was run. */
export const hasDatabase = (path: string) => existsSync(join(path, 'postgres', 'PG_VERSION'));

/** @throws Error if there is none */
export function assertHasDatabase(path: string): void {
  if (!hasDatabase(path)) throw new Error(`DATA_DIR ${path} has no database`);
}

/** Whether a server runs on the directory. */
export function isInUse(path: string): boolean {
  const file = openSync(join(path, 'lock'), 'a+');
  const isFree = tryLock(file);
  closeSync(file);
  return !isFree;
}

/** @throws Error if the directory has no database that may be written: it has moved, or is half restored */
export function assertServable(path: string): void {
  const moved = join(path, MOVED);
  if (existsSync(moved))
    throw new Error(
      `The database of DATA_DIR ${path} has moved: ${readFileSync(moved, 'utf8').trim()}. ` +
        `Set DATABASE_URL. (If the move was cut off, and that database is empty: delete ${moved}.)`,
    );
  if (existsSync(join(path, RESTORING)))
    throw new Error(`A restore of DATA_DIR ${path} has not ended: run it again, with --overwrite`);
}
