import { Body, Controller, Delete, Get, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { TakesOwnTurns } from '../access/admission.interceptor.js';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, IdParam } from '../access/endpoint.decorator.js';
import { INVALID_ID } from '../api/params.js';
import { RotateDto } from '../api/rotate.dto.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import { DeliveriesService, TEST_IS_ONCE, TOO_MANY_REPLAYS } from './deliveries.service.js';
import {
  DeliveriesQuery,
  ReplayDto,
  WebhookDeliveryDetailBody,
  WebhookDeliveryPageBody,
} from './delivery.dto.js';
import {
  CreateWebhookDto,
  UpdateWebhookDto,
  WebhookBody,
  WebhookPageBody,
  WebhooksQuery,
  WebhookWithSecretBody,
} from './endpoint.dto.js';
import { EndpointsService, TOO_MANY_WEBHOOKS } from './endpoints.service.js';

const WebhookId = () => IdParam('The endpoint.');
const DeliveryId = () => IdParam('The delivery: its `webhook-id`.', 'deliveryId');

const NO_CLIENT = notFound('There is no API client 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.');
const NO_WEBHOOK = notFound('There is no webhook 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.');
const NO_DELIVERY = notFound(
  'There is no delivery 0193a2f4-9e10-7c44-b1d2-6a7f3c5e8d90 ' +
    'of webhook 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.',
);
const REFUSED_URL = invalidRequest('url is refused: its address is not public');
const INVALID_LIMIT = invalidRequest('limit must be at most 100');

@ApiTags('Webhooks')
@Controller('api/v1/webhooks')
export class WebhooksController {
  constructor(
    private readonly endpoints: EndpointsService,
    private readonly deliveries: DeliveriesService,
  ) {}

  @Post()
  @Endpoint('sync:write', {
    summary: 'Create a webhook',
    description:
      'Notifies an API client of changes from now on, in the feeds of all developers with a live key or ' +
      'grant for it with `sync:read`. The answer is the only place where the secret is shown.',
    returns: [201, 'The new endpoint, with its secret.', WebhookWithSecretBody],
    errors: [REFUSED_URL, NO_CLIENT, TOO_MANY_WEBHOOKS],
  })
  create(@CurrentCaller() caller: Caller, @Body() dto: CreateWebhookDto): Promise<WebhookWithSecretBody> {
    return this.endpoints.create(caller, dto);
  }

  @Get()
  @Endpoint('sync:read', {
    summary: 'List webhooks',
    description: 'Those of the API clients of the caller; for admins, all. Oldest first.',
    returns: [200, 'One page of endpoints, without secrets.', WebhookPageBody],
    errors: [INVALID_LIMIT],
  })
  list(@CurrentCaller() caller: Caller, @Query() query: WebhooksQuery): Promise<WebhookPageBody> {
    return this.endpoints.list(caller, query);
  }

  @Get(':id')
  @Endpoint('sync:read', {
    summary: 'Fetch a webhook',
    description: 'With its health.',
    returns: [200, 'The endpoint, without its secret.', WebhookBody],
    errors: [INVALID_ID, NO_WEBHOOK],
  })
  get(@CurrentCaller() caller: Caller, @WebhookId() id: string): Promise<WebhookBody> {
    return this.endpoints.get(caller, id);
  }

  @Patch(':id')
  @Endpoint('sync:write', {
    summary: 'Change a webhook',
    description:
      'With `active: true`, or another `url`, pending deliveries are retried at once. They go on exactly ' +
      'where they stopped.',
    returns: [200, 'The endpoint as it is now.', WebhookBody],
    errors: [REFUSED_URL, NO_WEBHOOK],
  })
  update(
    @CurrentCaller() caller: Caller,
    @WebhookId() id: string,
    @Body() dto: UpdateWebhookDto,
  ): Promise<WebhookBody> {
    return this.endpoints.update(caller, id, dto);
  }

  @Delete(':id')
  @Endpoint('sync:write', {
    summary: 'Delete a webhook',
    description: 'With its log and its pending deliveries.',
    returns: [204, 'Deleted.'],
    errors: [INVALID_ID, NO_WEBHOOK],
  })
  delete(@CurrentCaller() caller: Caller, @WebhookId() id: string): Promise<void> {
    return this.endpoints.delete(caller, id);
  }

  @Post(':id/secret')
  @Endpoint('sync:write', {
    summary: 'Rotate the secret of a webhook',
    description: 'Until the overlap ends, both secrets sign: a receiver that knows either of them accepts.',
    returns: [201, 'The endpoint, with its new secret.', WebhookWithSecretBody],
    errors: [INVALID_ID, NO_WEBHOOK],
  })
  rotateSecret(
    @CurrentCaller() caller: Caller,
    @WebhookId() id: string,
    @Body() { overlapSeconds }: RotateDto,
  ): Promise<WebhookWithSecretBody> {
    return this.endpoints.rotateSecret(caller, id, overlapSeconds);
  }

  @Post(':id/test')
  @Endpoint('sync:write', {
    summary: 'Test a webhook',
    description:
      'Sends one signed request without notifications, also to an inactive endpoint. Waits for the answer. ' +
      'One test at a time: others wait for up to 3 s, then 503.',
    returns: [200, 'The delivery, with its attempt.', WebhookDeliveryDetailBody],
    errors: [INVALID_ID, NO_WEBHOOK],
  })
  @TakesOwnTurns()
  test(@CurrentCaller() caller: Caller, @WebhookId() id: string): Promise<WebhookDeliveryDetailBody> {
    return this.deliveries.test(caller, id);
  }

  @Get(':id/deliveries')
  @Endpoint('sync:read', {
    summary: 'List the deliveries of a webhook',
    description: 'Newest first, as far as the log goes back (WEBHOOK_LOG_DAYS).',
    returns: [200, 'One page of deliveries.', WebhookDeliveryPageBody],
    errors: [INVALID_LIMIT, NO_WEBHOOK],
  })
  listDeliveries(
    @CurrentCaller() caller: Caller,
    @WebhookId() id: string,
    @Query() query: DeliveriesQuery,
  ): Promise<WebhookDeliveryPageBody> {
    return this.deliveries.list(caller, id, query);
  }

  @Get(':id/deliveries/:deliveryId')
  @Endpoint('sync:read', {
    summary: 'Fetch a delivery',
    description: 'With its attempts and their answers.',
    returns: [200, 'The delivery.', WebhookDeliveryDetailBody],
    errors: [INVALID_ID, NO_DELIVERY],
  })
  getDelivery(
    @CurrentCaller() caller: Caller,
    @WebhookId() id: string,
    @DeliveryId() deliveryId: string,
  ): Promise<WebhookDeliveryDetailBody> {
    return this.deliveries.get(caller, id, deliveryId);
  }

  @Post(':id/deliveries/:deliveryId/replay')
  @Endpoint('sync:write', {
    summary: 'Send a delivery again',
    description: 'The same range under the same `webhook-id`. A pending delivery is retried at once.',
    returns: [202, 'It will be sent.'],
    errors: [INVALID_ID, NO_DELIVERY, TEST_IS_ONCE, TOO_MANY_REPLAYS],
  })
  replayDelivery(
    @CurrentCaller() caller: Caller,
    @WebhookId() id: string,
    @DeliveryId() deliveryId: string,
  ): Promise<void> {
    return this.deliveries.replayDelivery(caller, id, deliveryId);
  }

  @Post(':id/replay')
  @Endpoint('sync:write', {
    summary: 'Send a range of a feed again',
    description:
      'The changes of a developer in this range, in messages of 100, beside new changes. Nothing is sent ' +
      'where the feed has nothing.',
    returns: [202, 'It will be sent.'],
    errors: [
      invalidRequest('until must be after since'),
      notFound('The API client has no live key or grant of developer dev-404.'),
      TOO_MANY_REPLAYS,
    ],
  })
  replayRange(
    @CurrentCaller() caller: Caller,
    @WebhookId() id: string,
    @Body() dto: ReplayDto,
  ): Promise<void> {
    return this.deliveries.replayRange(caller, id, dto);
  }
}
