import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A developer: the owner of a library. Pure identity; the clock of its feed is in `feeds` (src/feed-clock). */
@Entity('developers')
export class Developer {
  /** The feed's name for a developer: `item_user_id`. */
  @PrimaryGeneratedColumn('identity', { name: 'user_id', generatedIdentity: 'ALWAYS' })
  userId: number;

  /** The records API's name for the same developer. */
  @Column('varchar', { name: 'developer_id', length: 255, unique: true })
  developerId: string;

  /** Display name; null: the `developerId` is shown. */
  @Column('varchar', { length: 255, nullable: true })
  name: string | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'clock_timestamp()' })
  createdAt: Date;

  /** Last change of the name; null: never. */
  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3, nullable: true })
  updatedAt: Date | null;
}
