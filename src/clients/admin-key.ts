import { Injectable, Logger } from '@nestjs/common';
import { config } from '../config.js';
import { secretFile } from '../database/embedded/secret-file.js';
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
  /** Generated at this start. */
  readonly isNew: boolean = false;

  constructor() {
    if (this.key !== undefined) return;
    if (config.DATABASE_URL !== undefined) {
      new Logger(AdminKey.name).warn(
        'ADMIN_API_KEY is not set: only existing sync:admin keys and tokens can administer this server',
      );
      return;
    }
    const file = secretFile(config.DATA_DIR, 'admin-api-key', generateApiKey);
    ({ text: this.key, path: this.path, isNew: this.isNew } = file);
  }
}
