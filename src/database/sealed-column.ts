import { randomBytes } from 'node:crypto';
import type { DataSource, ValueTransformer } from 'typeorm';
import { config } from '../config.js';
import { secretFile } from './embedded/secret-file.js';
import { parseSecretsKey, SecretBox, type SecretsKey } from './secret-box.js';

let box: SecretBox | undefined;

/** The keys of SECRETS_KEY; of an embedded server without it, those of its own file; else none. */
function secretBox(): SecretBox {
  return (box ??= new SecretBox(readKeys()));
}

function readKeys(): SecretsKey[] {
  if (config.SECRETS_KEY) return config.SECRETS_KEY.map((text) => parseSecretsKey(text)!);
  if (config.DATABASE_URL !== undefined) return ['clear'];
  const generate = () => randomBytes(32).toString('base64');
  const { text, path } = secretFile(config.DATA_DIR, 'secrets-key', generate);
  const keys = text.split(',').map((part) => parseSecretsKey(part));
  if (keys.some((key) => key === undefined)) throw new Error(`${path} must have 32 bytes in base64 or hex`);
  return keys as SecretsKey[];
}

/** A column that is encrypted at rest (docs/decisions/0020-secrets.md). Statements of our own call `from`. */
export class SealedColumn implements ValueTransformer {
  /** @param place `table.column`: a secret is bound to it */
  constructor(private readonly place: string) {}

  readonly to = (text: string | null | undefined) =>
    typeof text === 'string' ? secretBox().seal(text, this.place) : text;

  readonly from = (sealed: string | null) => (sealed === null ? null : secretBox().open(sealed, this.place));
}

/**
 * Key rotation: encrypts with the first key what has another one, or none. Call it under the startup lock.
 *
 * @returns false if the first key is none: secrets are stored in clear
 * @throws Error if SECRETS_KEY lacks a key
 */
export async function reseal(dataSource: DataSource): Promise<boolean> {
  const { prefix } = secretBox();
  for (const { tableName, columns, primaryColumns } of dataSource.entityMetadatas)
    for (const { databaseName: name, transformer } of columns) {
      if (!(transformer instanceof SealedColumn)) continue;
      const id = primaryColumns[0].databaseName;
      const rows = await dataSource.query<{ id: string; sealed: string }[]>(
        `SELECT ${id} AS id, ${name} AS sealed FROM ${tableName}
         WHERE ${prefix === undefined ? `${name} LIKE 'v1.%'` : `NOT starts_with(${name}, '${prefix}')`}`,
      );
      for (const { id: row, sealed } of rows)
        // Compare-and-set: a process that is running may rotate the same secret.
        await dataSource.query(`UPDATE ${tableName} SET ${name} = $1 WHERE ${id} = $2 AND ${name} = $3`, [
          transformer.to(transformer.from(sealed)),
          row,
          sealed,
        ]);
    }
  return prefix !== undefined;
}
