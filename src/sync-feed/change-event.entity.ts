import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Actions on an item (spec/sync-endpoint.md, Action Types). */
export const ACTIONS = ['created', 'updated', 'deleted', 'added', 'removed'] as const;
export type Action = (typeof ACTIONS)[number];

/** SQL: tombstone. The change ends its item or its pin. */
export const IS_TOMBSTONE = "action IN ('deleted', 'removed')";

/**
 * SQL: the change is one of a pin, not of an item. An item that its owner has pinned is both in one feed, and
 * each has its own history. An item in the feed of another developer is there because of its pin.
 */
export const IS_PIN_CHANGE = '(collection_id IS NOT NULL OR user_id <> item_user_id)';

/**
 * One change in one developer's feed. Append-only, except for `supersededAt`.
 *
 * The primary key is the feed: its order, its index, and the constraint that datetimes in a feed are unique.
 *
 * Covering indexes: the primary key and `change_events_alive` INCLUDE every column that an answer shows (in
 * the migration; TypeORM cannot express it). In a large table, each change of a feed lies in a block of its
 * own among the changes of other feeds, so a page that reads the table costs one block per change.
 */
@Entity('change_events')
@Index('change_events_of_item', ['userId', 'itemId', 'datetime'])
// The current library in the order of its latest changes, and the tombstones.
@Index('change_events_alive', { synchronize: false })
@Index('change_events_ended', ['userId', 'datetime'], { where: IS_TOMBSTONE })
export class ChangeEvent {
  /** The feed. */
  @PrimaryColumn('integer', { name: 'user_id' })
  userId: number;

  /** The tick of this change. */
  @PrimaryColumn({ type: 'timestamptz', precision: 3 })
  datetime: Date;

  @Column('varchar', { length: 8 })
  action: Action;

  @Column('varchar', { name: 'item_type', length: 64 })
  itemType: string;

  /**
   * Plural of the type, for `assets` and URLs. Stored, so that URLs do not change with the rules for plurals.
   */
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
