import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';

/** The feed of one developer: its lock and its clock (see feed-clock.ts). Created with its developer. */
@Entity('feeds')
export class Feed {
  @PrimaryColumn('integer', { name: 'user_id' })
  @ForeignKey(() => Developer, { name: 'feeds_developer' })
  userId: number;

  /** Datetime of the newest change in the feed; without changes, when the developer was created. */
  @Column({ type: 'timestamptz', precision: 3 })
  clock: Date;
}
