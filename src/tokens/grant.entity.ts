import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { Scope } from '../access/scopes.js';
import { ApiClient } from '../clients/api-client.entity.js';
import { Developer } from '../developers/developer.entity.js';

/** Scopes that a developer has granted to a client. Its tokens end with it. */
@Entity('grants')
@Index('grants_of_developer', ['developer', 'client'])
@Index('grants_of_client', ['client'])
export class Grant {
  /** From the authorization server. */
  @PrimaryColumn('varchar', { length: 64 })
  id: string;

  @ManyToOne(() => Developer, { nullable: false })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'grants_developer' })
  developer: Developer;

  @ManyToOne(() => ApiClient, { nullable: false, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'client_id', foreignKeyConstraintName: 'grants_client' })
  client: ApiClient;

  @Column('varchar', { length: 32, array: true })
  scopes: Scope[];

  /** The grant as the authorization server stores it. */
  @Column('json')
  payload: object;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
