import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateApiKey } from './api-key.js';

/**
 * The admin key of an embedded server: made on the first start and kept in a file that only its user can read.
 *
 * @returns the key, and whether it is new and so has to be shown
 */
export function loadAdminKey(dataDir: string): { key: string; isNew: boolean; path: string } {
  const path = join(dataDir, 'admin-api-key');
  if (existsSync(path)) return { key: readFileSync(path, 'utf8').trim(), isNew: false, path };
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const key = generateApiKey();
  writeFileSync(path, `${key}\n`, { mode: 0o600, flag: 'wx' });
  return { key, isNew: true, path };
}
