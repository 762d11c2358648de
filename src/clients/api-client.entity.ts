import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { Scope } from '../access/scopes.js';
import { Developer } from '../developers/developer.entity.js';

export const PKCE = ['required', 'optional'] as const;
export type Pkce = (typeof PKCE)[number];

/** API client: an application that acts for developers, with API keys or with tokens granted by them. */
@Entity('api_clients')
export class ApiClient {
  /** UUIDv7: the OAuth `client_id`. */
  @PrimaryColumn('uuid')
  id: string;

  /** Manages its webhooks; client credentials act for it. Null: the server's own client, Swagger UI. */
  @ManyToOne(() => Developer, { nullable: true })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'api_clients_owner' })
  owner: Developer | null;

  @Column('varchar', { length: 255 })
  name: string;

  @Column('text', { name: 'redirect_uris', array: true })
  redirectUris: string[];

  /** Assets of a feed request without `assets`; null: all. */
  @Column('varchar', { name: 'default_assets', length: 80, array: true, nullable: true })
  defaultAssets: string[] | null;

  /** Scopes that its API keys and tokens may have. */
  @Column('varchar', { length: 32, array: true })
  scopes: Scope[];

  /** PKCE (RFC 7636) at authorization requests; always required of a public client. */
  @Column('varchar', { length: 16 })
  pkce: Pkce;

  /** SHA-256 of the secret; null for a public client, which has none. */
  @Column('bytea', { name: 'secret_hash', nullable: true })
  secretHash: Buffer | null;

  /** SHA-256 of the secret before the last rotation, which works until the overlap ends. */
  @Column('bytea', { name: 'previous_secret_hash', nullable: true })
  previousSecretHash: Buffer | null;

  @Column({ type: 'timestamptz', name: 'previous_secret_expires_at', precision: 3, nullable: true })
  previousSecretExpiresAt: Date | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3 })
  updatedAt: Date;
}
