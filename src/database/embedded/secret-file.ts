import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDataDir } from './data-dir.js';

/** Permissions of the group and of all others. */
const OTHERS = 0o077;

/**
 * A secret of the embedded server, kept beside its database in a file that only its user can read. Made at the
 * first start.
 *
 * @throws Error for a file that is empty, or that others may read
 */
export function secretFile(
  dataDir: string,
  name: string,
  generate: () => string,
): { text: string; path: string; isNew: boolean } {
  const path = join(openDataDir(dataDir), name);
  const isNew = !existsSync(path);
  if (isNew) writeFileSync(path, `${generate()}\n`, { mode: 0o600, flag: 'wx' });
  // Windows has no such permissions.
  if (process.platform !== 'win32' && (statSync(path).mode & OTHERS) !== 0)
    throw new Error(`${path} can be read by other users of this machine: chmod 600 '${path}'`);
  const text = readFileSync(path, 'utf8').trim();
  // A full disk can cut the file short.
  if (text === '') throw new Error(`${path} is empty; delete it to get a new one`);
  return { text, path, isNew };
}
