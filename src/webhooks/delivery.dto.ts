import { Datetime, Id, Integer, ListOf, OffsetDatetime, OneOf, Text } from '../api/fields.js';
import { PageBody, PageQuery } from '../api/page.dto.js';
import type { WebhookAttempt } from './webhook-attempt.entity.js';
import {
  DELIVERY_KINDS,
  DELIVERY_STATUSES,
  type DeliveryKind,
  type DeliveryStatus,
  type WebhookDelivery,
} from './webhook-delivery.entity.js';

const MAX_INTEGER = 2 ** 31 - 1;

export class ReplayDto {
  @Text(255, { description: 'Developer of the feed, who lets the client read it.', example: 'dev-789' })
  developerId: string;

  @OffsetDatetime({
    description: 'Exclusive start, such as the `since` of a range.',
    example: '2024-09-01T00:00:00Z',
  })
  since: string;

  @OffsetDatetime({
    optional: true,
    description: 'Inclusive end. Left out, or in the future: now.',
    example: '2024-09-09T22:53:52.000+00:00',
  })
  until?: string;
}

export class DeliveriesQuery extends PageQuery {
  @Text(255, { optional: true, description: 'Only those about this developer.' })
  developerId?: string;

  @OneOf(DELIVERY_STATUSES, { optional: true, description: 'Only those with this status.' })
  status?: DeliveryStatus;

  @OneOf(DELIVERY_KINDS, { optional: true, description: 'Only those of this kind.' })
  kind?: DeliveryKind;
}

export class WebhookDeliveryBody {
  @Id({
    description: 'The `webhook-id`, the same in each attempt.',
    example: '0193a2f4-9e10-7c44-b1d2-6a7f3c5e8d90',
  })
  id: string;

  @OneOf(DELIVERY_KINDS, {
    description: '`change`: of new changes; `replay`: of a range that was requested; `test`.',
    example: 'change',
  })
  kind: DeliveryKind;

  @OneOf(DELIVERY_STATUSES, {
    description:
      '`pending`: not acknowledged yet; `delivered`; `failed`: a test, which is not repeated; `withdrawn`: ' +
      'the client may not read the feed any more.',
    example: 'delivered',
  })
  status: DeliveryStatus;

  @Integer(1, MAX_INTEGER, {
    nullable: true,
    description: 'The `user_id` of the feed; null in a test.',
    example: 2,
  })
  userId: number | null;

  @Datetime({
    nullable: true,
    description: 'Exclusive start of its range; null in a test.',
    example: '2024-09-01T00:00:00.000Z',
  })
  since: string | null;

  @Datetime({
    nullable: true,
    description: 'Inclusive end of its range; null in a test.',
    example: '2024-09-09T22:53:52.000Z',
  })
  until: string | null;

  @Integer(0, 100, { description: 'Number of its notifications.', example: 3 })
  notifications: number;

  @Datetime({ description: 'Creation, before the first attempt.', example: '2024-09-09T22:53:52.100Z' })
  createdAt: string;

  @Datetime({
    nullable: true,
    description: 'End of the status `pending`.',
    example: '2024-09-09T22:53:52.400Z',
  })
  completedAt: string | null;

  static of(delivery: WebhookDelivery): WebhookDeliveryBody {
    const { id, kind, status, userId, notifications } = delivery;
    return {
      ...{ id, kind, status, userId, notifications },
      since: delivery.since?.toISOString() ?? null,
      until: delivery.until?.toISOString() ?? null,
      createdAt: delivery.createdAt.toISOString(),
      completedAt: delivery.completedAt?.toISOString() ?? null,
    };
  }
}

export class WebhookDeliveryPageBody extends PageBody {
  @ListOf(WebhookDeliveryBody, 'The deliveries of this page.')
  data: WebhookDeliveryBody[];
}

export class WebhookAttemptBody {
  @Datetime({ description: 'Start of the request.', example: '2024-09-09T22:53:52.110Z' })
  startedAt: string;

  @Integer(0, MAX_INTEGER, { description: 'Duration in ms.', example: 86 })
  durationMs: number;

  @Integer(100, 599, {
    nullable: true,
    description: 'Status of the answer; null: there was none.',
    example: 200,
  })
  status: number | null;

  @Text(255, {
    nullable: true,
    description: 'Why there was no complete answer; null: there was one.',
    example: null,
  })
  error: string | null;

  @Text(1024, { nullable: true, description: 'The first 1,024 bytes of the answer.', example: 'ok' }, 0)
  answer: string | null;

  static of({ startedAt, durationMs, status, error, answer }: WebhookAttempt): WebhookAttemptBody {
    return { startedAt: startedAt.toISOString(), durationMs, status, error, answer };
  }
}

export class WebhookDeliveryDetailBody extends WebhookDeliveryBody {
  @ListOf(WebhookAttemptBody, 'Oldest first.')
  attempts: WebhookAttemptBody[];
}
