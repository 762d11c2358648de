import { Column, Entity, Index, ManyToOne, JoinColumn, PrimaryColumn } from 'typeorm';
import type { Scope } from '../access/scopes.js';
import { Developer } from '../developers/developer.entity.js';
import { ApiClient } from './api-client.entity.js';

/** SQL: a column that says when something ends is null or in the future, by the clock of the database. */
export const isInFuture = (column: string) => `(${column} IS NULL OR ${column} > clock_timestamp())`;

/** SQL: a rotated key is revoked at the end of its overlap, so `revoked_at` may be in the future. */
export const IS_NOT_REVOKED = isInFuture('revoked_at');

/** API key: a long-lived bearer credential. The key itself is shown once and never stored. */
@Entity('api_keys')
export class ApiKey {
  /** UUIDv7. */
  @PrimaryColumn('uuid')
  id: string;

  @ManyToOne(() => Developer, { nullable: false })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'api_keys_owner' })
  @Index('api_keys_user_id')
  developer: Developer;

  /** The application that uses the key; null: none. */
  @ManyToOne(() => ApiClient, { nullable: true, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'client_id', foreignKeyConstraintName: 'api_keys_client' })
  @Index('api_keys_client_id')
  client: ApiClient | null;

  /** SHA-256 of the key. */
  @Index('api_keys_hash', { unique: true })
  @Column('bytea')
  hash: Buffer;

  /** First characters of the key, by which people recognise it. */
  @Column('varchar', { length: 12 })
  prefix: string;

  @Column('varchar', { length: 255, nullable: true })
  name: string | null;

  @Column('varchar', { length: 32, array: true })
  scopes: Scope[];

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3, nullable: true })
  expiresAt: Date | null;

  /** Updated at most once a minute. */
  @Column({ type: 'timestamptz', name: 'last_used_at', precision: 3, nullable: true })
  lastUsedAt: Date | null;

  @Column({ type: 'timestamptz', name: 'revoked_at', precision: 3, nullable: true })
  revokedAt: Date | null;
}
