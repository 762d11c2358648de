import { Column, Entity, PrimaryColumn } from 'typeorm';
import { bigint } from '../database/bigint.js';

/**
 * A history of the database: from its first start, or from the moment when time was lost (a restore, a
 * failover) to the next such moment. The last row is the present one.
 */
@Entity('histories')
export class History {
  /** Every tick of this history is later; no tick of an earlier one is. The first history: 1970. */
  @PrimaryColumn({ type: 'timestamptz', name: 'begins_at', precision: 3 })
  beginsAt: Date;

  /** Every tick that may have been lost is later, and not after `beginsAt`. */
  @Column({ type: 'timestamptz', name: 'lost_from', precision: 3 })
  lostFrom: Date;

  /** When this row was written: nothing can have been lost before the first one. */
  @Column({ type: 'timestamptz', name: 'opened_at', precision: 3, default: () => 'clock_timestamp()' })
  openedAt: Date;

  /** PostgreSQL's `system_identifier`: another one after a restore into a new cluster. */
  @Column('varchar', { name: 'system_identifier', length: 20 })
  systemIdentifier: string;

  /** Eight hex digits: another one after a failover, and after a recovery from a backup. */
  @Column('varchar', { length: 8 })
  timeline: string;

  /** Another one in another database of the same cluster. */
  @Column('bigint', { name: 'database_oid', transformer: bigint })
  databaseOid: number;

  /** `developers`: another one after a restore of a dump into the same database. */
  @Column('bigint', { name: 'table_oid', transformer: bigint })
  tableOid: number;
}
