import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';

/** A one-time link with which a developer chooses a password. */
@Entity('invites')
export class Invite {
  /** SHA-256 of the token in the link. */
  @PrimaryColumn('bytea')
  hash: Buffer;

  @ManyToOne(() => Developer, { nullable: false })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'invites_developer' })
  developer: Developer;

  @Index('invites_expires_at')
  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
