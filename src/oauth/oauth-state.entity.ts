import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Grant } from '../tokens/grant.entity.js';

/** What the authorization server remembers until it expires: codes, refresh tokens, logins, and what people are at. */
@Entity('oauth_states')
@Index('oauth_states_expires_at', ['expiresAt'])
export class OAuthState {
  /** The library's name for what it is. */
  @PrimaryColumn('varchar', { length: 32 })
  model: string;

  /** SHA-256 of what the holder has: nobody can use what the table says. */
  @PrimaryColumn('varchar', { length: 64 })
  id: string;

  @Column('json')
  payload: object;

  @ManyToOne(() => Grant, { nullable: true, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'grant_id', foreignKeyConstraintName: 'oauth_states_grant' })
  @Index('oauth_states_grant_id')
  grant: Grant | null;

  /** A second name of a login, which is no secret. */
  @Index('oauth_states_uid')
  @Column('varchar', { length: 64, nullable: true })
  uid: string | null;

  /** The `developerId` of a login. */
  @Index('oauth_states_account_id')
  @Column('varchar', { name: 'account_id', length: 255, nullable: true })
  accountId: string | null;

  @Column({ type: 'timestamptz', name: 'consumed_at', precision: 3, nullable: true })
  consumedAt: Date | null;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
