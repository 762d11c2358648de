import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Failed logins of an account, from a network or with a device cookie, and the line of those that wait. */
@Entity('login_attempts')
export class LoginAttempts {
  /** SHA-256 of the account, the network (an IPv6 /64), both, or the device. */
  @PrimaryColumn('bytea')
  key: Buffer;

  @Column('integer')
  attempts: number;

  /** Latest slot that an attempt of this account and network has taken; null: none was delayed. */
  @Column({ type: 'timestamptz', name: 'slot_at', precision: 3, nullable: true })
  slotAt: Date | null;

  /** End of the window: the next attempt starts a new count. */
  @Index('login_attempts_expires_at')
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
