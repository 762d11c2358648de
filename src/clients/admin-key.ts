import { Injectable, Logger } from '@nestjs/common';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { config } from '../config.js';
import { openDataDir } from '../database/embedded/data-dir.js';
import { generateApiKey } from './secrets.js';

/**
 * The operator's key, with scope `sync:admin`: ADMIN_API_KEY of the settings. Where that is unset and the
 * database is embedded, a key is made on the first start and kept in a file that only its user can read.
 */
@Injectable()
export class AdminKey {
  /**
   * Undefined: neither set nor embedded. Only existing `sync:admin` keys and tokens can administer the
   * server.
   */
  readonly key: string | undefined = config.ADMIN_API_KEY;
  /** The file of a generated key. */
  readonly path: string | undefined;
  /** Generated at this start, and so shown to the operator, once. */
  readonly isNew: boolean = false;

  constructor() {
    if (this.key !== undefined) return;
    if (config.DATABASE_URL !== undefined) {
      new Logger(AdminKey.name).warn(
        'ADMIN_API_KEY is not set: only existing sync:admin keys and tokens can administer this server',
      );
      return;
    }
    this.path = join(openDataDir(config.DATA_DIR), 'admin-api-key');
    this.isNew = !existsSync(this.path);
    if (this.isNew) writeFileSync(this.path, `${generateApiKey()}\n`, { mode: 0o600, flag: 'wx' });
    this.key = readFileSync(this.path, 'utf8').trim();
    // A full disk can cut the file short.
    if (this.key === '') throw new Error(`${this.path} is empty; delete it to get a new key`);
  }
}
