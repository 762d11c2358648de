import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsUUID,
  Matches,
  ValidateIf,
} from 'class-validator';
import { PageBody, PageQuery } from '../api/page.dto.js';
import { IsDatetime, IsOptionalField, IsText } from '../api/rules.js';
import type { WebhookAttempt } from './webhook-attempt.entity.js';
import {
  DELIVERY_KINDS,
  DELIVERY_STATUSES,
  type DeliveryKind,
  type DeliveryStatus,
  type WebhookDelivery,
} from './webhook-delivery.entity.js';
import { DISABLED_REASONS, type DisabledReason, type WebhookEndpoint } from './webhook-endpoint.entity.js';

const ASSET = /^(\*|[A-Za-z][\w-]{0,79})$/;

const ID = '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d';
const DELIVERY_ID = '0193a2f4-9e10-7c44-b1d2-6a7f3c5e8d90';

/** Three members of two bodies. */
const URL_OF_ENDPOINT = {
  description:
    'Where to POST. `https://`, without credentials, and a host whose addresses are public: checked now, and again each time.',
  minLength: 1,
  maxLength: 2048,
  example: 'https://app.example.com/tidemark',
};
const ASSETS_OF_ENDPOINT = {
  type: String,
  isArray: true,
  nullable: true,
  minItems: 1,
  maxItems: 100,
  uniqueItems: true,
  description:
    'Of which changes to tell, as `assets` of the feed. Left out or null: the default of the client.',
  example: ['routes', 'trips'],
};
const ACTIVE = {
  description: 'Is anything sent? What happens in the meantime is sent later.',
  example: true,
};

const IsAssets = (): PropertyDecorator => (target, key) =>
  [
    ValidateIf((_object, value) => value !== undefined && value !== null),
    IsArray(),
    ArrayNotEmpty(),
    ArrayMaxSize(100),
    ArrayUnique(),
    Matches(ASSET, { each: true, message: 'assets must be a list of asset types, such as routes' }),
  ].forEach((decorate) => decorate(target, key));

export class CreateWebhookDto {
  @ApiProperty({ format: 'uuid', description: 'The API client that is told.', example: ID })
  @IsUUID('loose')
  clientId: string;

  @ApiProperty(URL_OF_ENDPOINT)
  @IsText(1, 2048)
  url: string;

  @ApiPropertyOptional(ASSETS_OF_ENDPOINT)
  @IsAssets()
  assets?: string[] | null;

  @ApiPropertyOptional({ ...ACTIVE, default: true })
  @IsOptionalField()
  @IsBoolean()
  active?: boolean;
}

export class UpdateWebhookDto {
  @ApiPropertyOptional(URL_OF_ENDPOINT)
  @IsOptionalField()
  @IsText(1, 2048)
  url?: string;

  @ApiPropertyOptional(ASSETS_OF_ENDPOINT)
  @IsAssets()
  assets?: string[] | null;

  @ApiPropertyOptional({
    ...ACTIVE,
    description: `${ACTIVE.description} \`true\` also takes back that it was disabled, and tries at once what is pending.`,
  })
  @IsOptionalField()
  @IsBoolean()
  active?: boolean;
}

export class ReplayDto {
  @ApiProperty({
    description: 'Whose feed. The developer lets the client read it.',
    minLength: 1,
    maxLength: 255,
    example: 'dev-789',
  })
  @IsText(1, 255)
  developerId: string;

  @ApiProperty({
    format: 'date-time',
    description: 'Exclusive start, such as the `since` of a range.',
    example: '2024-09-01T00:00:00Z',
  })
  @IsDatetime()
  since: string;

  @ApiPropertyOptional({
    format: 'date-time',
    description: 'Inclusive end. Left out, or in the future: now.',
    example: '2024-09-09T22:53:52.000+00:00',
  })
  @IsOptionalField()
  @IsDatetime()
  until?: string;
}

export class WebhooksQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Only those of this client.' })
  @IsOptionalField()
  @IsUUID('loose')
  clientId?: string;
}

export class DeliveriesQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'Only those about this developer.', minLength: 1, maxLength: 255 })
  @IsOptionalField()
  @IsText(1, 255)
  developerId?: string;

  @ApiPropertyOptional({ enum: DELIVERY_STATUSES, description: 'Only those with this status.' })
  @IsOptionalField()
  @IsIn(DELIVERY_STATUSES)
  status?: DeliveryStatus;

  @ApiPropertyOptional({ enum: DELIVERY_KINDS, description: 'Only those of this kind.' })
  @IsOptionalField()
  @IsIn(DELIVERY_KINDS)
  kind?: DeliveryKind;
}

/** An endpoint as it can be seen after its creation. */
export class WebhookBody {
  @ApiProperty({ format: 'uuid', description: 'Names the endpoint.', example: ID })
  id: string;

  @ApiProperty({ format: 'uuid', description: 'The API client that is told.', example: ID })
  clientId: string;

  @ApiProperty({ description: 'Where to POST.', example: URL_OF_ENDPOINT.example })
  url: string;

  @ApiProperty({
    ...ASSETS_OF_ENDPOINT,
    description: 'Of which changes to tell; null: the default of the client.',
  })
  assets: string[] | null;

  @ApiProperty(ACTIVE)
  active: boolean;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description:
      'When the first attempt failed of those since the last that did not; null: the last one did not.',
    example: null,
  })
  failingSince: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Until then nothing is sent, because too much has failed or the receiver asked for it.',
    example: null,
  })
  retryAt: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the server has made it inactive; null: it has not.',
    example: null,
  })
  disabledAt: string | null;

  @ApiProperty({
    type: String,
    enum: [...DISABLED_REASONS, null],
    nullable: true,
    description: 'Why: the receiver has answered 410, or has failed for 5 days.',
    example: null,
  })
  disabledReason: DisabledReason | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Until when the secret before the last rotation signs as well.',
    example: null,
  })
  previousSecretExpiresAt: string | null;

  @ApiProperty({
    format: 'date-time',
    description: 'When the endpoint was created.',
    example: '2025-01-15T09:00:00.000Z',
  })
  createdAt: string;

  @ApiProperty({
    format: 'date-time',
    description: 'When it was last changed by a request.',
    example: '2025-01-15T09:00:00.000Z',
  })
  updatedAt: string;

  static of(endpoint: WebhookEndpoint): WebhookBody {
    const { id, clientId, url, assets, active, disabledReason } = endpoint;
    return {
      id,
      clientId,
      url,
      assets,
      active,
      failingSince: endpoint.failingSince?.toISOString() ?? null,
      retryAt: endpoint.retryAt?.toISOString() ?? null,
      disabledAt: endpoint.disabledAt?.toISOString() ?? null,
      disabledReason,
      previousSecretExpiresAt: endpoint.previousSecretExpiresAt?.toISOString() ?? null,
      createdAt: endpoint.createdAt.toISOString(),
      updatedAt: endpoint.updatedAt.toISOString(),
    };
  }
}

export class WebhookWithSecretBody extends WebhookBody {
  @ApiProperty({
    description: 'What its messages are signed with (Standard Webhooks), shown only now.',
    example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwexampleexamp=',
  })
  secret: string;
}

export class WebhookPageBody extends PageBody {
  @ApiProperty({ type: WebhookBody, isArray: true, description: 'The endpoints of this page.' })
  data: WebhookBody[];
}

export class WebhookDeliveryBody {
  @ApiProperty({
    format: 'uuid',
    description: 'The `webhook-id`, the same in each attempt.',
    example: DELIVERY_ID,
  })
  id: string;

  @ApiProperty({
    enum: DELIVERY_KINDS,
    description: '`change`: told by itself; `replay`: of a range that was asked for; `test`.',
    example: 'change',
  })
  kind: DeliveryKind;

  @ApiProperty({
    enum: DELIVERY_STATUSES,
    description:
      '`pending`: not acknowledged yet; `delivered`; `failed`: a test, which is not repeated; `withdrawn`: the developer ' +
      'does not let the client read any more.',
    example: 'delivered',
  })
  status: DeliveryStatus;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'The `user_id` of the feed; null in a test.',
    example: 2,
  })
  userId: number | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Exclusive start of its range; null in a test.',
    example: '2024-09-01T00:00:00.000Z',
  })
  since: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Inclusive end of its range; null in a test.',
    example: '2024-09-09T22:53:52.000Z',
  })
  until: string | null;

  @ApiProperty({ type: 'integer', description: 'How many notifications it has.', example: 3 })
  notifications: number;

  @ApiProperty({
    format: 'date-time',
    description: 'When it was made, before the first attempt.',
    example: '2024-09-09T22:53:52.100Z',
  })
  createdAt: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When it was not pending any more.',
    example: '2024-09-09T22:53:52.400Z',
  })
  completedAt: string | null;

  static of(delivery: WebhookDelivery): WebhookDeliveryBody {
    const { id, kind, status, userId, notifications } = delivery;
    return {
      id,
      kind,
      status,
      userId: userId,
      since: delivery.since?.toISOString() ?? null,
      until: delivery.until?.toISOString() ?? null,
      notifications,
      createdAt: delivery.createdAt.toISOString(),
      completedAt: delivery.completedAt?.toISOString() ?? null,
    };
  }
}

export class WebhookDeliveryPageBody extends PageBody {
  @ApiProperty({ type: WebhookDeliveryBody, isArray: true, description: 'The deliveries of this page.' })
  data: WebhookDeliveryBody[];
}

export class WebhookAttemptBody {
  @ApiProperty({ format: 'date-time', description: 'When it began.', example: '2024-09-09T22:53:52.110Z' })
  startedAt: string;

  @ApiProperty({ type: 'integer', description: 'How long it took.', example: 86 })
  durationMs: number;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'Status of the answer; null when there was none.',
    example: 200,
  })
  status: number | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Why there was no complete answer; null when there was one.',
    example: null,
  })
  error: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The first 1,024 bytes of the answer.',
    example: 'ok',
  })
  answer: string | null;

  static of({ startedAt, durationMs, status, error, answer }: WebhookAttempt): WebhookAttemptBody {
    return { startedAt: startedAt.toISOString(), durationMs, status, error, answer };
  }
}

export class WebhookDeliveryDetailBody extends WebhookDeliveryBody {
  @ApiProperty({ type: WebhookAttemptBody, isArray: true, description: 'Oldest first.' })
  attempts: WebhookAttemptBody[];
}
