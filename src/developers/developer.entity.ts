import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A developer: the owner of a library. Identity only; `feeds` has the clock (src/feed-clock). */
@Entity('developers')
export class Developer {
  /** Id of the developer in the feed: `item_user_id`. */
  @PrimaryGeneratedColumn('identity', { name: 'user_id', generatedIdentity: 'ALWAYS' })
  userId: number;

  /** Id of the same developer in the records API. */
  @Column('varchar', { name: 'developer_id', length: 255, unique: true })
  developerId: string;

  /** Display name; null: the `developerId`. */
  @Column('varchar', { length: 255, nullable: true })
  name: string | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'clock_timestamp()' })
  createdAt: Date;

  /** Last change of the name; null: never. */
  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3, nullable: true })
  updatedAt: Date | null;
}
