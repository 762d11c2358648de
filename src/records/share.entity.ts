import { Column, Entity, ForeignKey, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Developer } from '../auth/developer.entity.js';
import { bigint } from '../database/bigint.js';
import { SyncRecord } from './record.entity.js';

/** The right of another developer to read one record. In the owner's library; gone with the record. */
@Entity('shares')
@ForeignKey(() => SyncRecord, ['ownerId', 'itemId'], ['ownerId', 'itemId'], {
  name: 'shares_record',
  onDelete: 'CASCADE',
})
export class Share {
  /** `developers.id` of the owner. */
  @PrimaryColumn('integer', { name: 'owner_id' })
  ownerId: number;

  @PrimaryColumn('bigint', { name: 'item_id', transformer: bigint })
  itemId: number;

  /** `developers.id` of the one who may read. */
  @PrimaryColumn('integer', { name: 'developer_id' })
  developerId: number;

  @ManyToOne(() => Developer)
  @JoinColumn({ name: 'developer_id', foreignKeyConstraintName: 'shares_developer' })
  developer: Developer;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;
}
