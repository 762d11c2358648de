import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';

/** The feed of one developer: its lock and its clock (see feed-clock.ts). Made with its developer. */
@Entity('feeds')
export class Feed {
  @PrimaryColumn('integer', { name: 'user_id' })
  @ForeignKey(() => Developer, { name: 'feeds_developer' })
  userId: number;

  /** Datetime of the newest change in the feed; of a feed without changes, the creation of its developer. */
  @Column({ type: 'timestamptz', precision: 3 })
  clock: Date;
}
