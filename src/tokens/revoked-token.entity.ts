import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** An access token that no longer counts, though it is not over and hangs on no grant that could end. */
@Entity('revoked_tokens')
export class RevokedToken {
  /** Its `jti`. */
  @PrimaryColumn('varchar', { length: 64 })
  id: string;

  /** When it is over anyway. */
  @Index('revoked_tokens_expires_at')
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
