import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { bigint } from '../database/bigint.js';

/** An item in a developer's `pinned` collection. The writes hold the lock of that developer's feed. */
@Entity('pins')
@Index('pins_in_order', ['userId', 'pinnedAt'])
@Index('pins_of_item', ['itemUserId', 'itemId', 'userId'])
export class Pin {
  /** The developer who pinned. */
  @PrimaryColumn('integer', { name: 'user_id' })
  userId: number;

  @PrimaryColumn('bigint', { name: 'item_id', transformer: bigint })
  itemId: number;

  /** Owner of the item. */
  @Column('integer', { name: 'item_user_id' })
  itemUserId: number;

  @Column('varchar', { name: 'item_type', length: 64 })
  itemType: string;

  @Column('varchar', { length: 80 })
  asset: string;

  /** Datetime of the `added` event. */
  @Column({ type: 'timestamptz', name: 'pinned_at', precision: 3 })
  pinnedAt: Date;

  /** Position in the owner's feed: changes of the item up to it are in this developer's feed. */
  @Column({ type: 'timestamptz', precision: 3 })
  seen: Date;
}
