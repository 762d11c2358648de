import { Field, Integer, Nested, OffsetDatetime } from '../api/fields.js';
import { getSchemaPath, IntersectionType, type OpenAPIObject } from '@nestjs/swagger';
import { SyncItemBody } from '../sync-feed/sync-item.js';

/*
 * The message to a webhook endpoint, for OpenAPI. sender/message.ts writes it.
 */

class FeedOwner {
  @Integer(1, Infinity, { description: 'User whose feed contains the change.', example: 1 })
  user_id: number;
}

export class NotificationBody extends IntersectionType(FeedOwner, SyncItemBody) {}

export class RangeBody {
  @Integer(1, Infinity, { description: 'User whose feed it is.', example: 1 })
  user_id: number;

  @OffsetDatetime({
    description: 'Exclusive start: the `until` of the message before.',
    example: '2024-09-09T22:29:01.000+00:00',
  })
  since: string;

  @OffsetDatetime({ description: 'Inclusive end.', example: '2024-09-09T22:53:52.000+00:00' })
  until: string;
}

export class WebhookMessageBody {
  @Field({ type: NotificationBody, isArray: true, maxItems: 100 }, [], {
    description: 'Changes of one feed, oldest first. Empty in a test, and after a restore of the database.',
  })
  notifications: NotificationBody[];

  @Nested(RangeBody, {
    nullable: true,
    description: 'Range of the feed; null in a test.',
    example: { user_id: 1, since: '2024-09-09T22:29:01.000+00:00', until: '2024-09-09T22:53:52.000+00:00' },
  })
  range: RangeBody | null;
}

const header = (name: string, description: string, example: string) => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
  example,
});

/** `webhooks` of the OpenAPI document. */
export const WEBHOOKS = {
  changes: {
    post: {
      operationId: 'Webhook_changes',
      summary: 'Changes of a feed',
      description:
        'The server sends this to each endpoint (docs/webhooks.md). It is signed as Standard Webhooks 1.0. A ' +
        'message that is not acknowledged comes again, with the same `webhook-id` and the same body.',
      tags: ['Webhooks'],
      security: [],
      parameters: [
        header('webhook-id', 'Id of the delivery.', '0193a2f4-9e10-7c44-b1d2-6a7f3c5e8d90'),
        header('webhook-timestamp', 'Time of this attempt, in seconds since 1970.', '1725926032'),
        header(
          'webhook-signature',
          'HMAC-SHA256 of id, timestamp and body; two, separated by a space, while a secret is rotated.',
          'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
        ),
      ],
      requestBody: {
        required: true,
        content: { 'application/json': { schema: { $ref: getSchemaPath(WebhookMessageBody) } } },
      },
      responses: {
        '2XX': { description: 'Acknowledged: the next message may come.' },
        default: { description: 'Not acknowledged: the same message comes again.' },
      },
    },
  },
} as OpenAPIObject['webhooks'];
