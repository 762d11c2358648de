import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { SealedColumn } from '../database/sealed-column.js';
import { ApiClient } from '../clients/api-client.entity.js';

/** Why the server has disabled an endpoint: the receiver answered 410, or failed for 5 days. */
export const DISABLED_REASONS = ['gone', 'failing'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** Both columns, so that a rotation can move a secret from one to the other. */
export const SECRET = new SealedColumn('webhook_endpoints.secret');

/** A URL at which an API client receives the changes of all feeds that it may read. */
@Entity('webhook_endpoints')
@Index('webhook_endpoints_of_client', ['clientId'])
export class WebhookEndpoint {
  /** UUIDv7. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid', { name: 'client_id' })
  clientId: string;

  @ManyToOne(() => ApiClient, { nullable: false, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'client_id', foreignKeyConstraintName: 'webhook_endpoints_client' })
  client: ApiClient;

  /** May contain a secret of its owner: never in a log of the process. */
  @Column('varchar', { length: 2048 })
  url: string;

  /** Assets to notify about; null: the default of the client. */
  @Column('varchar', { length: 80, array: true, nullable: true })
  assets: string[] | null;

  @Column()
  active: boolean;

  /** `whsec_…`. Encrypted, not hashed: signing needs the secret itself. */
  @Column('text', { transformer: SECRET })
  secret: string;

  /** The secret before the last rotation, which signs as well until the overlap ends. */
  @Column('text', { name: 'previous_secret', nullable: true, transformer: SECRET })
  previousSecret: string | null;

  @Column({ type: 'timestamptz', name: 'previous_secret_expires_at', precision: 3, nullable: true })
  previousSecretExpiresAt: Date | null;

  /** Failures in a row, of all developers together. */
  @Column('integer', { default: 0 })
  failures: number;

  /** Start of the current run of failures. */
  @Column({ type: 'timestamptz', name: 'failing_since', precision: 3, nullable: true })
  failingSince: Date | null;

  /** The last failure of the run. */
  @Column({ type: 'timestamptz', name: 'failed_at', precision: 3, nullable: true })
  failedAt: Date | null;

  /** Nothing is sent before: too many failures, or `Retry-After`. */
  @Column({ type: 'timestamptz', name: 'retry_at', precision: 3, nullable: true })
  retryAt: Date | null;

  /** Lease: until then a test is one of the requests to the endpoint; null: there is none. */
  @Column({ type: 'timestamptz', name: 'tested_until', precision: 3, nullable: true })
  testedUntil: Date | null;

  /** When the server disabled it; null: it did not. */
  @Column({ type: 'timestamptz', name: 'disabled_at', precision: 3, nullable: true })
  disabledAt: Date | null;

  @Column('varchar', { name: 'disabled_reason', length: 16, nullable: true })
  disabledReason: DisabledReason | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3 })
  updatedAt: Date;
}
