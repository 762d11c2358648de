import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';

/** The feed of one developer: its lock and its clock (see feed-clock.ts). Created with its developer. */
@Entity('feeds')
export class Feed {
  @PrimaryColumn('integer', { name: 'user_id' })
  @ForeignKey(() => Developer, { name: 'feeds_developer' })
  userId: number;

  /** The `developerId`: a lock or a read that names both ids never reaches the feed of another developer. */
  @Column('varchar', { name: 'developer_id', length: 255 })
  developerId: string;

  /** The first value of the clock. */
  @Column({ type: 'timestamptz', precision: 3 })
  born: Date;

  /** Datetime of the newest change in the feed; without changes, when the developer was created. */
  @Column({ type: 'timestamptz', precision: 3 })
  clock: Date;

  /** Retention: a plain request is exact if its `since` is not earlier. Null: nothing was pruned. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  floor: Date | null;

  /**
   * Cursors of erased feeds, perhaps of the same name, may be from then on, and are before `born`: a request
   * with one gets 410. Null: no feed was erased before this one was born.
   */
  @Column({ type: 'timestamptz', name: 'erased_from', precision: 3, nullable: true })
  erasedFrom: Date | null;
}
