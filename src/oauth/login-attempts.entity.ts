import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** How often a login was tried and did not succeed, of one account or from one address. */
@Entity('login_attempts')
export class LoginAttempts {
  /** SHA-256 of the account or the address. */
  @PrimaryColumn('bytea')
  key: Buffer;

  @Column('integer')
  attempts: number;

  /** When the count begins anew. */
  @Index('login_attempts_expires_at')
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
