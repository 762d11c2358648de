import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Counter of failed logins of one account, or from one address. */
@Entity('login_attempts')
export class LoginAttempts {
  /** SHA-256 of the account or the address (an IPv6 /64). */
  @PrimaryColumn('bytea')
  key: Buffer;

  @Column('integer')
  attempts: number;

  /** End of the window: the next attempt starts a new count. */
  @Index('login_attempts_expires_at')
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
