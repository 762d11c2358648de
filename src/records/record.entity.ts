import { Column, Entity, ForeignKey, Index, PrimaryColumn, Unique, VirtualColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';
import { bigint } from '../database/bigint.js';
import { JsonColumn } from './json-column.js';

export const STATUSES = ['ACTIVE', 'PENDING_UPDATE', 'PENDING_SYNC_CONFIRMATION', 'ERROR'] as const;
export type Status = (typeof STATUSES)[number];

/** Name of the unique constraint. */
export const RECORD_KEY = 'records_key';

/** Strong ETag of a version of a record: each write has its own tick. */
export const etagOf = (updatedAt: Date) => `"${updatedAt.getTime().toString(36)}"`;

/**
 * A DeveloperSyncRecord (spec/records-api.md, section 1). RecordsService is the only writer. It uses
 * `insert`, `save` and `remove` on whole entities: only these calls give a TypeORM subscriber every field.
 */
@Entity('records')
@Index('records_of_type', { synchronize: false })
@Index('records_of_status', ['userId', 'status', 'itemId'], { where: `status <> 'ACTIVE'` })
@Unique(RECORD_KEY, ['userId', 'resourceType', 'resourceKey'])
export class SyncRecord {
  /** The owner. First in every key, so that sharding keeps a library on one node. */
  @PrimaryColumn('integer', { name: 'user_id' })
  @ForeignKey(() => Developer, { name: 'records_owner' })
  userId: number;

  /** Id of the record in the feed, in order of creation. Set by RecordChangeSubscriber (src/sync-feed). */
  @PrimaryColumn('bigint', { name: 'item_id', transformer: bigint })
  @Index('records_item_id')
  itemId: number;

  /** Id of the record in the records API: a UUIDv7. */
  @Index('records_id')
  @Column('uuid')
  id: string;

  @Column('varchar', { name: 'developer_id', length: 255 })
  developerId: string;

  @Column('varchar', { name: 'resource_type', length: 64 })
  resourceType: string;

  @Column('varchar', { name: 'resource_key', length: 255 })
  resourceKey: string;

  /** `json`, not `jsonb`: keeps the order of keys and the exact numbers. */
  @Column('json', { transformer: JsonColumn.transformer })
  data: JsonColumn;

  @Column('json', { transformer: JsonColumn.transformer })
  metadata: JsonColumn;

  /** Of `data` and `metadata` as JSON text: `library_sizes` adds them up, and answers reserve memory for them. */
  @Column('integer')
  bytes: number;

  @Column('varchar', { length: 32 })
  status: Status;

  @Column({ type: 'timestamptz', name: 'last_synced_at', precision: 3, nullable: true })
  lastSyncedAt: Date | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3 })
  updatedAt: Date;

  /** Read with the record. Exact under the lock of the owner's feed, which every change of a share holds. */
  @VirtualColumn({
    type: 'boolean',
    query: (record) =>
      `SELECT EXISTS (
        SELECT FROM shares s WHERE s.user_id = ${record}.user_id AND s.item_id = ${record}.item_id
      )`,
  })
  isShared: boolean;

  get etag(): string {
    return etagOf(this.updatedAt);
  }

  /** Sets `bytes`. */
  weigh(): void {
    this.bytes = this.data.bytes + this.metadata.bytes;
  }

  /** Sets the times of a write. @param tick of the write in its owner's feed */
  stamp(tick: Date): void {
    this.createdAt ??= tick;
    this.updatedAt = tick;
    if (this.status === 'ACTIVE') this.lastSyncedAt = tick;
  }
}
