import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { WebhookDelivery } from './webhook-delivery.entity.js';

/** One request to a receiver, and its result. */
@Entity('webhook_attempts')
export class WebhookAttempt {
  @PrimaryColumn('uuid', { name: 'delivery_id' })
  @ForeignKey(() => WebhookDelivery, { name: 'webhook_attempts_delivery', onDelete: 'CASCADE' })
  deliveryId: string;

  /** UUIDv7. */
  @PrimaryColumn('uuid')
  id: string;

  @Column({ type: 'timestamptz', name: 'started_at', precision: 3 })
  startedAt: Date;

  @Column('integer', { name: 'duration_ms' })
  durationMs: number;

  /** Status of the answer; null: there was none. */
  @Column('integer', { nullable: true })
  status: number | null;

  /** Why there was no answer, or none in time. */
  @Column('varchar', { length: 255, nullable: true })
  error: string | null;

  /** The beginning of the answer's body. */
  @Column('text', { nullable: true })
  answer: string | null;
}
