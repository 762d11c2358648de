import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { WebhookEndpoint } from './webhook-endpoint.entity.js';

/**
 * How far an endpoint has been told of one developer's feed: there is one for each endpoint of a client and each developer
 * who lets that client read, and one more for each replay that is not over.
 *
 * `due_at` and `lease` say whose turn it is. Nothing to do: both null. Due: `due_at` has come, and whoever takes it writes a
 * lease of its own and a `due_at` at which the lease ends, so that what a dead process has begun is due again by itself.
 */
@Entity('webhook_positions')
@Index('webhook_positions_live', ['userId', 'endpointId'], { unique: true, where: 'ends_at IS NULL' })
@Index('webhook_positions_due', ['endpointId', 'dueAt'])
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

  /** Up to here the feed has nothing more that this endpoint is told of: at or after `announced`. */
  @Column({ type: 'timestamptz', precision: 3 })
  scanned: Date;

  /** The assets for which this holds; null: all. */
  @Column('varchar', { name: 'scanned_assets', length: 80, array: true, nullable: true })
  scannedAssets: string[] | null;

  /** Of a replay: its end, with which it goes. */
  @Column({ type: 'timestamptz', name: 'ends_at', precision: 3, nullable: true })
  endsAt: Date | null;

  @Column({ type: 'timestamptz', name: 'due_at', precision: 3, nullable: true })
  dueAt: Date | null;

  @Column('uuid', { nullable: true })
  lease: string | null;

  /** Attempts of the delivery that is pending. */
  @Column('integer', { default: 0 })
  attempts: number;

  /** The delivery that is pending: its range and its id are fixed before it is first sent. */
  @Column('uuid', { name: 'delivery_id', nullable: true })
  deliveryId: string | null;
}
