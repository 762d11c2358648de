import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { WebhookEndpoint } from './webhook-endpoint.entity.js';

export const DELIVERY_KINDS = ['change', 'replay', 'test'] as const;
export type DeliveryKind = (typeof DELIVERY_KINDS)[number];

/** `failed` is final, and only of tests; `withdrawn`: the right to read ended before it was acknowledged. */
export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed', 'withdrawn'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/**
 * A message to an endpoint, in one or more attempts. Its body is not stored: it is read from its range of the
 * feed.
 */
@Entity('webhook_deliveries')
@Index('webhook_deliveries_of_endpoint', ['endpointId', 'id'])
export class WebhookDelivery {
  /** UUIDv7: the `webhook-id`, the same in each attempt. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid', { name: 'endpoint_id' })
  @ForeignKey(() => WebhookEndpoint, { name: 'webhook_deliveries_endpoint', onDelete: 'CASCADE' })
  endpointId: string;

  /** `developers.id` of the feed; null for a test. */
  @Column('integer', { name: 'user_id', nullable: true })
  userId: number | null;

  @Column('varchar', { length: 8 })
  kind: DeliveryKind;

  /** Exclusive start of its range. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  since: Date | null;

  /** Inclusive end of its range. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  until: Date | null;

  /** The assets when its range was chosen, so that each attempt has the same body; null: all. */
  @Column('varchar', { length: 80, array: true, nullable: true })
  assets: string[] | null;

  /** Number of its notifications. */
  @Column('integer')
  notifications: number;

  @Column('varchar', { length: 16 })
  status: DeliveryStatus;

  @Index('webhook_deliveries_created_at')
  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt: Date;

  /** End of the status `pending`. */
  @Column({ type: 'timestamptz', name: 'completed_at', precision: 3, nullable: true })
  completedAt: Date | null;
}
