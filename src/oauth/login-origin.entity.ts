import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';

/** A device or a network from which a developer has logged in. */
@Entity('login_origins')
export class LoginOrigin {
  @PrimaryColumn('integer', { name: 'user_id' })
  userId: number;

  @ManyToOne(() => Developer)
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'login_origins_developer' })
  developer: Developer;

  /** SHA-256 of the device cookie, or of the network. */
  @PrimaryColumn('bytea')
  hash: Buffer;

  @Index('login_origins_expires_at')
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
