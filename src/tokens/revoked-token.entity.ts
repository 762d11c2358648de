import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A revoked token of client credentials, kept until it has expired on every clock. */
@Entity('revoked_tokens')
export class RevokedToken {
  /** Its `jti`. */
  @PrimaryColumn('varchar', { length: 64 })
  id: string;

  /** Its `exp`. */
  @Index('revoked_tokens_expires_at')
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
