import { IntersectionType, OmitType, PartialType, PickType } from '@nestjs/swagger';
import { Assets, Datetime, Field, Flag, Id, ListOf, OPTIONAL, Text } from '../api/fields.js';
import { PageBody, PageQuery } from '../api/page.dto.js';
import { DISABLED_REASONS, type DisabledReason, type WebhookEndpoint } from './webhook-endpoint.entity.js';

const ACTIVE = 'Is anything sent? Changes in the meantime are sent later.';

/** The fields that the owner of a client chooses. */
class WebhookFields {
  @Id({ description: 'The API client to notify.' })
  clientId: string;

  @Text(2048, {
    description:
      'Where to POST: `https://`, without credentials. All addresses of the host must be public: checked ' +
      'now, and again for each request.',
    example: 'https://app.example.com/tidemark',
  })
  url: string;

  @Assets(100, true, {
    description:
      'Assets to notify about, as `assets` of the feed. Left out or null: the default of the client.',
  })
  assets: string[] | null;

  @Flag({
    description: `${ACTIVE} \`true\` also enables an endpoint that the server disabled, and retries at once.`,
    example: true,
  })
  active: boolean;
}

export class CreateWebhookDto extends IntersectionType(
  PickType(WebhookFields, ['clientId', 'url']),
  PartialType(PickType(WebhookFields, ['assets']), OPTIONAL),
) {
  @Flag({ optional: true, default: true, description: ACTIVE, example: true })
  active?: boolean;
}

export class UpdateWebhookDto extends PartialType(OmitType(WebhookFields, ['clientId']), OPTIONAL) {}

export class WebhooksQuery extends PageQuery {
  @Id({ optional: true, example: undefined, description: 'Only those of this client.' })
  clientId?: string;
}

const DATETIME = '2025-01-15T09:00:00.000Z';

/** An endpoint, without its secret. */
export class WebhookBody extends OmitType(WebhookFields, ['active']) {
  @Id({ description: 'Id of the endpoint.' })
  id: string;

  @Flag({ description: ACTIVE, example: true })
  active: boolean;

  @Datetime({
    nullable: true,
    description: 'Start of the current run of failures; null while healthy.',
    example: null,
  })
  failingSince: string | null;

  @Datetime({
    nullable: true,
    description: 'Nothing is sent before: too many attempts failed, or the receiver sent `Retry-After`.',
    example: null,
  })
  retryAt: string | null;

  @Datetime({ nullable: true, description: 'When the server disabled it; null: it did not.', example: null })
  disabledAt: string | null;

  @Field({ type: String, enum: [...DISABLED_REASONS, null] }, [], {
    nullable: true,
    description: '`gone`: the receiver answered 410; `failing`: it failed for 5 days.',
    example: null,
  })
  disabledReason: DisabledReason | null;

  @Datetime({ nullable: true, description: 'Until then the previous secret signs as well.', example: null })
  previousSecretExpiresAt: string | null;

  @Datetime({ description: 'Creation of the endpoint.', example: DATETIME })
  createdAt: string;

  @Datetime({ description: 'Last change of the endpoint by a request.', example: DATETIME })
  updatedAt: string;

  static of(endpoint: WebhookEndpoint): WebhookBody {
    const { id, clientId, url, assets, active, disabledReason } = endpoint;
    return {
      ...{ id, clientId, url, assets, active, disabledReason },
      failingSince: endpoint.failingSince?.toISOString() ?? null,
      retryAt: endpoint.retryAt?.toISOString() ?? null,
      disabledAt: endpoint.disabledAt?.toISOString() ?? null,
      previousSecretExpiresAt: endpoint.previousSecretExpiresAt?.toISOString() ?? null,
      createdAt: endpoint.createdAt.toISOString(),
      updatedAt: endpoint.updatedAt.toISOString(),
    };
  }
}

export class WebhookWithSecretBody extends WebhookBody {
  @Text(100, {
    description: 'Signs the messages (Standard Webhooks). Shown only now.',
    example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwexampleexamp=',
  })
  secret: string;
}

export class WebhookPageBody extends PageBody {
  @ListOf(WebhookBody, 'The endpoints of this page.')
  data: WebhookBody[];
}
