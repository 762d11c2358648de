import { Column, Entity, ForeignKey, Index, PrimaryColumn, Unique, VirtualColumn } from 'typeorm';
import { Developer } from '../developers/developer.entity.js';
import { bigint } from '../database/bigint.js';
import { JsonColumn } from './json-column.js';

export const STATUSES = ['ACTIVE', 'PENDING_UPDATE', 'PENDING_SYNC_CONFIRMATION', 'ERROR'] as const;
export type Status = (typeof STATUSES)[number];

export const RECORD_KEY = 'records_key';

/** Strong ETag of a version of a record: every write has a tick of its own in its developer's feed. */
export const etagOf = (updatedAt: Date) => `"${updatedAt.getTime().toString(36)}"`;

/**
 * A DeveloperSyncRecord (spec/records-api.md, section 1). RecordsService is its only writer, with `insert`, `save`
 * and `remove` on whole entities: those are the calls of which a TypeORM subscriber hears everything.
 */
@Entity('records')
@Unique(RECORD_KEY, ['userId', 'resourceType', 'resourceKey'])
export class SyncRecord {
  /** The owner; first in every key, so that a library stays together when tables are split. */
  @PrimaryColumn('integer', { name: 'user_id' })
  @ForeignKey(() => Developer, { name: 'records_owner' })
  userId: number;

  /** The feed's name for this record, in order of creation. Set by the subscriber that announces the creation. */
  @PrimaryColumn('bigint', { name: 'item_id', transformer: bigint })
  @Index('records_item_id')
  itemId: number;

  /** UUIDv7: the records API's name for this record. */
  @Index('records_id')
  @Column('uuid')
  id: string;

  @Column('varchar', { name: 'developer_id', length: 255 })
  developerId: string;

  @Column('varchar', { name: 'resource_type', length: 64 })
  resourceType: string;

  @Column('varchar', { name: 'resource_key', length: 255 })
  resourceKey: string;

  /** `json`, not `jsonb`: it keeps the order of keys and the exact numbers. */
  @Column('json', { transformer: JsonColumn.transformer })
  data: JsonColumn;

  @Column('json', { transformer: JsonColumn.transformer })
  metadata: JsonColumn;

  @Column('varchar', { length: 32 })
  status: Status;

  @Column({ type: 'timestamptz', name: 'last_synced_at', precision: 3, nullable: true })
  lastSyncedAt: Date | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3 })
  updatedAt: Date;

  /** Comes with the record, so that nobody has to ask. Exact under the owner's lock, which shares need to change. */
  @VirtualColumn({
    type: 'boolean',
    query: (record) =>
      `SELECT EXISTS (SELECT FROM shares s WHERE s.user_id = ${record}.user_id AND s.item_id = ${record}.item_id)`,
  })
  isShared: boolean;

  get etag(): string {
    return etagOf(this.updatedAt);
  }

  /** Dates a write: called by the change subscriber with the tick that the write took in its developer's feed. */
  stamp(tick: Date): void {
    this.createdAt ??= tick;
    this.updatedAt = tick;
    if (this.status === 'ACTIVE') this.lastSyncedAt = tick;
  }
}
