import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';

/** How a developer logs in. */
@Entity('passwords')
export class Password {
  @PrimaryColumn('integer', { name: 'user_id' })
  userId: number;

  @OneToOne(() => Developer)
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'passwords_developer' })
  developer: Developer;

  /** Argon2id, in PHC format. */
  @Column('varchar', { length: 255 })
  hash: string;

  @Column({ type: 'timestamptz', name: 'changed_at', precision: 3 })
  changedAt: Date;
}
