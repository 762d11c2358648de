import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Grant } from '../tokens/grant.entity.js';

/** State of `oidc-provider` until it expires: codes, refresh tokens, login sessions, interactions. */
@Entity('oauth_states')
@Index('oauth_states_expires_at', ['expiresAt'])
export class OAuthState {
  /** Name of the library's model, such as `RefreshToken`. */
  @PrimaryColumn('varchar', { length: 32 })
  model: string;

  /** SHA-256 of the code, token or cookie: a reader of the table cannot use it. */
  @PrimaryColumn('varchar', { length: 64 })
  id: string;

  @Column('json')
  payload: object;

  @ManyToOne(() => Grant, { nullable: true, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'grant_id', foreignKeyConstraintName: 'oauth_states_grant' })
  @Index('oauth_states_grant_id')
  grant: Grant | null;

  /** Second id of a session, which is no secret. */
  @Index('oauth_states_uid')
  @Column('varchar', { length: 64, nullable: true })
  uid: string | null;

  /** The `developerId` of a login, in a session, an interaction or a code. */
  @Index('oauth_states_account_id')
  @Column('varchar', { name: 'account_id', length: 255, nullable: true })
  accountId: string | null;

  /** First use of a code or a refresh token; null: unused. */
  @Column({ type: 'timestamptz', name: 'consumed_at', precision: 3, nullable: true })
  consumedAt: Date | null;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
