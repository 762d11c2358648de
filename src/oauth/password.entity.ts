import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';

/** The password of a developer. */
@Entity('passwords')
export class Password {
  @PrimaryColumn('integer', { name: 'user_id' })
  userId: number;

  @OneToOne(() => Developer)
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'passwords_developer' })
  developer: Developer;

  /** Argon2id, in the PHC string format. */
  @Column('varchar', { length: 255 })
  hash: string;

  @Column({ type: 'timestamptz', name: 'changed_at', precision: 3 })
  changedAt: Date;
}
