import type { JWK } from 'jose';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A key of the server's own. */
@Entity('server_keys')
export class ServerKey {
  /** The `kid`: the thumbprint of the key (RFC 7638). */
  @PrimaryColumn('varchar', { length: 64 })
  id: string;

  /** What it signs: access tokens (ES256), or cookies of people who log in (HMAC). */
  @Column('varchar', { length: 16 })
  purpose: 'token' | 'cookie';

  /** With its private part. */
  @Column('json')
  jwk: JWK;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  /** Until when what it has signed is believed; null: it is the one that signs. */
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3, nullable: true })
  expiresAt: Date | null;
}
