import type { JWK } from 'jose';
import { SealedColumn } from '../database/sealed-column.js';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Signing key of the authorization server: for access tokens (ES256) or for login cookies (HMAC). */
@Entity('server_keys')
export class SigningKey {
  /** The `kid`: the thumbprint of the key (RFC 7638). */
  @PrimaryColumn('varchar', { length: 64 })
  id: string;

  @Column('varchar', { length: 16 })
  purpose: 'token' | 'cookie';

  /** JSON of the JWK, with the private part. */
  @Column('text', { name: 'jwk', transformer: new SealedColumn('server_keys.jwk') })
  json: string;

  get jwk(): JWK {
    return JSON.parse(this.json);
  }

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  /** Its signatures are accepted until then; null: the key that signs now. */
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3, nullable: true })
  expiresAt: Date | null;
}
