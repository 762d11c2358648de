import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { ApiClient } from '../clients/api-client.entity.js';
import type { Scope } from '../access/scopes.js';
import { Developer } from '../developers/developer.entity.js';

/** What a developer lets a client do. Tokens work only as long as their grant is there. */
@Entity('grants')
@Index('grants_of_developer', ['developer', 'client'])
@Index('grants_of_client', ['client'])
export class Grant {
  /** Made by the authorization server. */
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

  /** The authorization server's own view of it. */
  @Column('json')
  payload: object;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  expiresAt: Date;
}
