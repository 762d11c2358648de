import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** What can happen to an item (spec/sync-endpoint.md, Action Types). */
export const ACTIONS = ['created', 'updated', 'deleted', 'added', 'removed'] as const;
export type Action = (typeof ACTIONS)[number];

/**
 * One change in one developer's feed. Append-only. The primary key is the feed itself: its order, its index, and
 * the proof that no two changes of a feed share a datetime.
 */
@Entity('change_events')
@Index('change_events_of_item', ['feedId', 'itemId', 'datetime'])
export class ChangeEvent {
  /** `developers.id` of the developer whose feed this is in. */
  @PrimaryColumn('integer', { name: 'feed_id' })
  feedId: number;

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

  /** `developers.id` of the item's owner. */
  @Column('integer', { name: 'item_user_id' })
  itemUserId: number;

  /** The collection that the item was added to or removed from. */
  @Column('integer', { name: 'collection_id', nullable: true })
  collectionId: number | null;
}
