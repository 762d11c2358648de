import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** What can happen to an item (spec/sync-endpoint.md, Action Types). */
export const ACTIONS = ['created', 'updated', 'deleted', 'added', 'removed'] as const;
export type Action = (typeof ACTIONS)[number];

/** SQL: is nothing left after this change, no item or no pin? */
export const IS_END = "action IN ('deleted', 'removed')";

/**
 * SQL: is this a change of a pin, and not of an item? An item that its owner has pinned is both in one feed, and the
 * two come and go by themselves; what is in a feed of somebody else's is there because it is pinned.
 */
export const IS_OF_PIN = '(collection_id IS NOT NULL OR user_id <> item_user_id)';

/**
 * One change in one developer's feed. Nothing of it ever changes, except that it is superseded. The primary key is the
 * feed itself: its order, its index, and the proof that no two changes of a feed share a datetime. It and
 * `change_events_alive` INCLUDE all that an answer shows (a migration says so: TypeORM has no word for it), because
 * among many millions, the changes of one feed lie in the table between those of all others, each in a block of its own.
 */
@Entity('change_events')
@Index('change_events_of_item', ['userId', 'itemId', 'datetime'])
// The library as it is, in the order of its latest changes, and what is not in it any more.
@Index('change_events_alive', { synchronize: false })
@Index('change_events_ended', ['userId', 'datetime'], { where: IS_END })
export class ChangeEvent {
  /** The feed that this is in. */
  @PrimaryColumn('integer', { name: 'user_id' })
  userId: number;

  /** The tick of the feed clock that this change took. */
  @PrimaryColumn({ type: 'timestamptz', precision: 3 })
  datetime: Date;

  @Column('varchar', { length: 8 })
  action: Action;

  @Column('varchar', { name: 'item_type', length: 64 })
  itemType: string;

  /** Plural of the type, as `assets` and URLs name it; stored, so that URLs outlive any change of the plural rules. */
  @Column('varchar', { length: 80 })
  asset: string;

  @Column('bigint', { name: 'item_id' })
  itemId: number;

  /** Owner of the item. */
  @Column('integer', { name: 'item_user_id' })
  itemUserId: number;

  /** The collection that the item was added to or removed from. */
  @Column('integer', { name: 'collection_id', nullable: true })
  collectionId: number | null;

  /** Tick of the next change of the same item or pin; `infinity` for the latest one. */
  @Column({ type: 'timestamptz', name: 'superseded_at', precision: 3, default: () => "'infinity'" })
  supersededAt: Date;
}
