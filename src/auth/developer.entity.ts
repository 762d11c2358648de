import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** The owner of a library, and the holder of its feed clock. */
@Entity('developers')
export class Developer {
  /** The feed's name for a developer: `item_user_id`. */
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS' })
  id: number;

  /** The records API's name for the same developer. */
  @Column('varchar', { name: 'developer_id', length: 255, unique: true })
  developerId: string;

  /** What people call it; null: by its developerId. */
  @Column('varchar', { length: 255, nullable: true })
  name: string | null;

  /**
   * Datetime of the newest change in this developer's feed. Only `appendChangeEvent` moves it, and the row lock
   * that this takes is what puts the changes of one feed in commit order.
   */
  @Column({ type: 'timestamptz', name: 'feed_clock', precision: 3, default: () => 'clock_timestamp()' })
  feedClock: Date;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'clock_timestamp()' })
  createdAt: Date;

  /** Of the name; null: never changed. */
  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3, nullable: true })
  updatedAt: Date | null;
}
