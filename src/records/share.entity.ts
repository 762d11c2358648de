import { Column, Entity, ForeignKey, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';
import { bigint } from '../database/bigint.js';
import { SyncRecord } from './record.entity.js';

/**
 * The right of another developer to read one record. Part of the owner's library; deleted with the record.
 */
@Entity('shares')
@ForeignKey(() => SyncRecord, ['userId', 'itemId'], ['userId', 'itemId'], {
  name: 'shares_record',
  onDelete: 'CASCADE',
})
export class Share {
  /** The owner of the record. */
  @PrimaryColumn('integer', { name: 'user_id' })
  userId: number;

  @PrimaryColumn('bigint', { name: 'item_id', transformer: bigint })
  itemId: number;

  /** The developer who may read the record. */
  @PrimaryColumn('integer', { name: 'reader_user_id' })
  @Index('shares_of_reader')
  readerUserId: number;

  @ManyToOne(() => Developer)
  @JoinColumn({ name: 'reader_user_id', foreignKeyConstraintName: 'shares_reader' })
  reader: Developer;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;
}
