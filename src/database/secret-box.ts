import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';

/** A key of `SECRETS_KEY`. `clear`: no encryption. */
export type SecretsKey = Buffer | 'clear';

/** Text of 32 bytes in hex, base64 or base64url, or `clear`. @returns undefined for any other text */
export function parseSecretsKey(text: string): SecretsKey | undefined {
  if (text === 'clear') return text;
  const isBase64 = /^[\w+/-]{43}=?$/.test(text);
  if (!isBase64 && !/^[\da-fA-F]{64}$/.test(text)) return undefined;
  return Buffer.from(text, isBase64 ? 'base64' : 'hex');
}

/**
 * Encryption at rest: AES-256-GCM. A sealed text is `v1.<id of the key>.<base64url of nonce, ciphertext and tag>`,
 * with a nonce of 12 random bytes and a tag of 16. It is bound to its place (associated data), so that no one can
 * move it into another column.
 *
 * Rotation: the first key seals, all of them open. A clear text is opened as it is.
 */
export class SecretBox {
  private readonly keys: Map<string, Buffer>;
  /** What a text that is sealed with the first key begins with; undefined: the first key is `clear`. */
  readonly prefix: string | undefined;

  constructor(private readonly list: readonly SecretsKey[]) {
    const keys = list.filter((key) => key !== 'clear');
    this.keys = new Map(keys.map((key) => [idOf(key), key]));
    if (list[0] !== 'clear') this.prefix = `v1.${idOf(list[0])}.`;
  }

  /** @param place such as `webhook_endpoints.secret` */
  seal(text: string, place: string): string {
    const [key] = this.list;
    if (key === 'clear') return text;
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place));
    const bytes = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${this.prefix}${bytes.toString('base64url')}`;
  }

  /** @throws Error for another key, another place, or a changed text */
  open(sealed: string, place: string): string {
    const [, id, text] = /^v1\.([\w-]+)\.([\w-]+)$/.exec(sealed) ?? [];
    if (id === undefined || text === undefined) return sealed;
    const key = this.keys.get(id);
    if (!key) throw new Error(`SECRETS_KEY lacks the key ${id}, with which ${place} is encrypted`);
    const bytes = Buffer.from(text, 'base64url');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
        .setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(-16));
      return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
    } catch (error) {
      throw new Error(`${place} has a secret that was not encrypted for it`, { cause: error });
    }
  }
}

/** Names a key without telling it: 8 characters of its SHA-256. */
const idOf = (key: Buffer) => hash('sha256', key, 'base64url').slice(0, 8);
