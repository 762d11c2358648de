import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Not `recursive: true`: where the system denies that a parent exists, as in /proc, Node.js tries for ever. */
function makeDirectory(path: string): void {
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
