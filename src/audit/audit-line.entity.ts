import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** What the audit log has. The part before the dot is the kind of the target. */
export const ACTIONS = [
  ...['key.created', 'key.rotated', 'key.revoked'],
  ...['client.created', 'client.updated', 'client.deleted', 'client.secret_rotated'],
  ...['grant.created', 'grant.updated', 'grant.withdrawn'],
  ...['password.set', 'password.changed', 'password.invited'],
  ...['share.granted', 'share.revoked'],
  ...['developer.renamed', 'developer.erased'],
  'signing_keys.rotated',
] as const;
export type AuditAction = (typeof ACTIONS)[number];

export const ACTOR_KINDS = ['admin_key', 'api_key', 'access_token', 'account', 'client'] as const;
export type ActorKind = (typeof ACTOR_KINDS)[number];

/** One change. Append-only: triggers refuse anything else (src/migrations/guard.ts). */
@Entity('audit_log')
@Index('audit_log_of_developer', ['developerId', 'id'])
@Index('audit_log_of_action', ['action', 'id'])
export class AuditLine {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id: string;

  @Index('audit_log_at')
  @Column({ type: 'timestamptz', precision: 3, default: () => 'clock_timestamp()' })
  at: Date;

  @Column('varchar', { length: 32 })
  action: AuditAction;

  @Column('varchar', { name: 'actor_kind', length: 16 })
  actorKind: ActorKind;

  /** Id of the API key or of the API client; null: the kind says all. */
  @Column('varchar', { name: 'actor_id', length: 64, nullable: true })
  actorId: string | null;

  /** The developer that the credential or the account belongs to. */
  @Column('varchar', { name: 'actor_developer_id', length: 255, nullable: true })
  actorDeveloperId: string | null;

  @Column('varchar', { name: 'target_id', length: 255, nullable: true })
  targetId: string | null;

  /** The developer concerned: the owner of the target. */
  @Column('varchar', { name: 'developer_id', length: 255, nullable: true })
  developerId: string | null;

  /** Ids, names of fields, and scopes. Never a secret, nor content. */
  @Column('json', { nullable: true })
  details: object | null;

  /** Network address of the request. */
  @Column('varchar', { length: 255, nullable: true })
  address: string | null;

  @Column('varchar', { name: 'request_id', length: 128, nullable: true })
  requestId: string | null;
}
