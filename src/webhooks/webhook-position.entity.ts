import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { WebhookEndpoint } from './webhook-endpoint.entity.js';

/**
 * The position of an endpoint in one developer's feed: one for each endpoint of a client and each developer
 * who lets that client read, and one more for each replay until it ends.
 *
 * Lease: a position with nothing to deliver has neither `due_at` nor `lease`. One that is due has a `due_at`
 * in the past. The process that takes it writes a lease, and the end of that lease as `due_at`: if the
 * process dies, the position is due again by itself.
 */
@Entity('webhook_positions')
@Index('webhook_positions_live', ['userId', 'endpointId'], { unique: true, where: 'ends_at IS NULL' })
@Index('webhook_positions_due', ['endpointId', 'dueAt'])
@Index('webhook_positions_replays', ['endpointId'], { where: 'ends_at IS NOT NULL' })
export class WebhookPosition {
  /** `developers.id` of the feed. */
  @PrimaryColumn('integer', { name: 'user_id' })
  userId: number;

  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid', { name: 'endpoint_id' })
  @ForeignKey(() => WebhookEndpoint, { name: 'webhook_positions_endpoint', onDelete: 'CASCADE' })
  endpointId: string;

  /** `until` of the last range that was acknowledged, and so `since` of the next. */
  @Column({ type: 'timestamptz', precision: 3 })
  announced: Date;

  /** Up to here nothing is left to deliver, at or after `announced`: the rest is of other assets. */
  @Column({ type: 'timestamptz', precision: 3 })
  scanned: Date;

  /** The assets for which `scanned` holds; null: all. */
  @Column('varchar', { name: 'scanned_assets', length: 80, array: true, nullable: true })
  scannedAssets: string[] | null;

  /** End of a replay, at which the position is deleted; null: the position of the changes. */
  @Column({ type: 'timestamptz', name: 'ends_at', precision: 3, nullable: true })
  endsAt: Date | null;

  @Column({ type: 'timestamptz', name: 'due_at', precision: 3, nullable: true })
  dueAt: Date | null;

  @Column('uuid', { nullable: true })
  lease: string | null;

  /** Failed attempts of the pending delivery. */
  @Column('integer', { default: 0 })
  attempts: number;

  /** The pending delivery: its range and its id are fixed before it is first sent. */
  @Column('uuid', { name: 'delivery_id', nullable: true })
  deliveryId: string | null;
}
