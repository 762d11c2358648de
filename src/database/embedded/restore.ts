import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CONTENTS, lockDataDir, MOVED, openDataDir, RESTORING } from './data-dir.js';

/**
 * Replaces the contents of a data directory by those of a backup. Restartable: until it has ended, no server
 * starts on the directory.
 *
 * Within the directory, since that may be a mount point, which cannot be renamed.
 *
 * @param prepare opens the copy, a data directory of its own, before it takes its place
 * @returns where the earlier contents are now; undefined: there were none
 * @throws Error if a server runs on the directory, or it has contents and `isOverwriting` is false
 */
export async function restore(
  backup: string,
  dataDir: string,
  isOverwriting: boolean,
  prepare: (copy: string) => Promise<void>,
): Promise<string | undefined> {
  // Written last by a backup.
  if (!existsSync(join(backup, 'postgres', 'backup_label')))
    throw new Error(`${backup} is not a backup of \`npm run backup\``);
  const path = openDataDir(dataDir);
  const unlock = lockDataDir(path);
  const copy = join(path, RESTORING);
  const earlier = join(path, `replaced-${new Date().toISOString().replaceAll(':', '-')}`);
  try {
    const isUnfinished = existsSync(copy);
    const found = [...CONTENTS, MOVED].filter((name) => existsSync(join(path, name)));
    if ((found.length > 0 || isUnfinished) && !isOverwriting)
      throw new Error(`DATA_DIR ${path} is not empty: --overwrite replaces its contents`);
    await rm(copy, { recursive: true, force: true });
    await mkdir(copy, { mode: 0o700 });
    try {
      for (const name of CONTENTS)
        if (existsSync(join(backup, name)))
          await cp(join(backup, name), join(copy, name), { recursive: true });
      await prepare(copy);
    } catch (error) {
      // Nothing is replaced yet. After a restore that was cut off, it may be.
      if (!isUnfinished) await rm(copy, { recursive: true, force: true });
      throw error;
    }
    if (found.length > 0) await mkdir(earlier, { mode: 0o700 });
    for (const name of found) await rename(join(path, name), join(earlier, name));
    for (const name of CONTENTS)
      if (existsSync(join(copy, name))) await rename(join(copy, name), join(path, name));
    await rm(copy, { recursive: true });
    return found.length > 0 ? earlier : undefined;
  } finally {
    unlock();
  }
}
