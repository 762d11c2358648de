import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDataDir } from '../database/embedded/data-dir.js';
import { generateApiKey } from './secrets.js';

/**
 * The admin key of an embedded server: made on the first start and kept in a file that only its user can read.
 *
 * @returns the key, and whether it is new and so has to be shown
 */
export function loadAdminKey(dataDir: string): { key: string; isNew: boolean; path: string } {
  const path = join(openDataDir(dataDir), 'admin-api-key');
  if (existsSync(path)) {
    const key = readFileSync(path, 'utf8').trim();
    // Cut short, by a full disk perhaps.
    if (key === '') throw new Error(`${path} is empty; delete it to get a new key`);
    return { key, isNew: false, path };
  }
  const key = generateApiKey();
  writeFileSync(path, `${key}\n`, { mode: 0o600, flag: 'wx' });
  return { key, isNew: true, path };
}
