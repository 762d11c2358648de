import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { Access, CurrentCaller } from '../access/access.decorator.js';
import { RotateDto } from '../api/rotate.dto.js';
import type { Caller } from '../access/caller.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { INVALID_ID, ParseUuid } from '../api/params.js';
import {
  CreateWebhookDto,
  DeliveriesQuery,
  ReplayDto,
  UpdateWebhookDto,
  WebhookBody,
  WebhookDeliveryDetailBody,
  WebhookDeliveryPageBody,
  WebhookPageBody,
  WebhooksQuery,
  WebhookWithSecretBody,
} from './webhook.dto.js';
import { TEST_IS_ONCE, WebhookLogService } from './webhook-log.service.js';
import { TOO_MANY_WEBHOOKS, WebhooksService } from './webhooks.service.js';

const WebhookId = () => ApiParam({ name: 'id', format: 'uuid', description: 'The endpoint.' });
const DeliveryId = () =>
  ApiParam({ name: 'deliveryId', format: 'uuid', description: 'The delivery: its `webhook-id`.' });

const NO_WEBHOOK = notFound('There is no webhook 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.');
const NO_DELIVERY = notFound(
  'There is no delivery 0193a2f4-9e10-7c44-b1d2-6a7f3c5e8d90 of webhook 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.',
);
const REFUSED_URL = invalidRequest('url is refused: its address is not public');

@ApiTags('Webhooks')
@Controller('api/v1/webhooks')
export class WebhooksController {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly log: WebhookLogService,
  ) {}

  @Post()
  @Access('sync:write')
  @ApiOperation({
    summary: 'Create a webhook',
    description:
      'An API client is told of changes in the feeds of all developers with a live key or grant for it with `sync:read`, ' +
      'from now on. The answer is the only place where the secret is shown.',
  })
  @ApiCreatedResponse({ type: WebhookWithSecretBody, description: 'The new endpoint, with its secret.' })
  @ApiErrors(
    REFUSED_URL,
    notFound('There is no API client 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.'),
    TOO_MANY_WEBHOOKS,
    413,
    415,
  )
  create(@CurrentCaller() caller: Caller, @Body() dto: CreateWebhookDto): Promise<WebhookWithSecretBody> {
    return this.webhooks.create(caller, dto);
  }

  @Get()
  @Access('sync:read')
  @ApiOperation({
    summary: 'List webhooks',
    description: 'Those of the API clients of the caller; for admins, all. Oldest first.',
  })
  @ApiOkResponse({ type: WebhookPageBody, description: 'One page of endpoints, without secrets.' })
  @ApiErrors(invalidRequest('limit must be at most 100'))
  list(@CurrentCaller() caller: Caller, @Query() query: WebhooksQuery): Promise<WebhookPageBody> {
    return this.webhooks.list(caller, query);
  }

  @Get(':id')
  @Access('sync:read')
  @ApiOperation({ summary: 'Fetch a webhook', description: 'Also how it is doing.' })
  @WebhookId()
  @ApiOkResponse({ type: WebhookBody, description: 'The endpoint, without its secret.' })
  @ApiErrors(INVALID_ID, NO_WEBHOOK)
  get(@CurrentCaller() caller: Caller, @Param('id', ParseUuid) id: string): Promise<WebhookBody> {
    return this.webhooks.get(caller, id);
  }

  @Patch(':id')
  @Access('sync:write')
  @ApiOperation({
    summary: 'Change a webhook',
    description:
      'With `active: true`, or another `url`, what is pending is tried at once, from exactly where it stopped.',
  })
  @WebhookId()
  @ApiOkResponse({ type: WebhookBody, description: 'The endpoint as it is now.' })
  @ApiErrors(REFUSED_URL, NO_WEBHOOK, 413, 415)
  update(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Body() dto: UpdateWebhookDto,
  ): Promise<WebhookBody> {
    return this.webhooks.update(caller, id, dto);
  }

  @Delete(':id')
  @HttpCode(204)
  @Access('sync:write')
  @ApiOperation({ summary: 'Delete a webhook', description: 'With its log, and all that is pending.' })
  @WebhookId()
  @ApiNoContentResponse({ description: 'Deleted.' })
  @ApiErrors(INVALID_ID, NO_WEBHOOK)
  delete(@CurrentCaller() caller: Caller, @Param('id', ParseUuid) id: string): Promise<void> {
    return this.webhooks.delete(caller, id);
  }

  @Post(':id/secret')
  @Access('sync:write')
  @ApiOperation({
    summary: 'Rotate the secret of a webhook',
    description: 'Until the overlap ends, both secrets sign: a receiver that knows either of them accepts.',
  })
  @WebhookId()
  @ApiCreatedResponse({ type: WebhookWithSecretBody, description: 'The endpoint, with its new secret.' })
  @ApiErrors(INVALID_ID, NO_WEBHOOK, 413, 415)
  rotateSecret(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Body() { overlapSeconds }: RotateDto,
  ): Promise<WebhookWithSecretBody> {
    return this.webhooks.rotateSecret(caller, id, overlapSeconds);
  }

  @Post(':id/test')
  @HttpCode(200)
  @Access('sync:write')
  @ApiOperation({
    summary: 'Test a webhook',
    description:
      'Sends one signed request without notifications, also to an inactive endpoint, and waits for its answer.',
  })
  @WebhookId()
  @ApiOkResponse({ type: WebhookDeliveryDetailBody, description: 'What came of it.' })
  @ApiErrors(INVALID_ID, NO_WEBHOOK)
  test(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
  ): Promise<WebhookDeliveryDetailBody> {
    return this.log.test(caller, id);
  }

  @Get(':id/deliveries')
  @Access('sync:read')
  @ApiOperation({
    summary: 'List the deliveries of a webhook',
    description: 'Newest first, as far as the log goes back (WEBHOOK_LOG_DAYS).',
  })
  @WebhookId()
  @ApiOkResponse({ type: WebhookDeliveryPageBody, description: 'One page of deliveries.' })
  @ApiErrors(invalidRequest('limit must be at most 100'), NO_WEBHOOK)
  listDeliveries(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Query() query: DeliveriesQuery,
  ): Promise<WebhookDeliveryPageBody> {
    return this.log.list(caller, id, query);
  }

  @Get(':id/deliveries/:deliveryId')
  @Access('sync:read')
  @ApiOperation({ summary: 'Fetch a delivery', description: 'With its attempts, and what was answered.' })
  @WebhookId()
  @DeliveryId()
  @ApiOkResponse({ type: WebhookDeliveryDetailBody, description: 'The delivery.' })
  @ApiErrors(INVALID_ID, NO_DELIVERY)
  getDelivery(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Param('deliveryId', ParseUuid) deliveryId: string,
  ): Promise<WebhookDeliveryDetailBody> {
    return this.log.get(caller, id, deliveryId);
  }

  @Post(':id/deliveries/:deliveryId/replay')
  @HttpCode(202)
  @Access('sync:write')
  @ApiOperation({
    summary: 'Send a delivery again',
    description: 'The same range under the same `webhook-id`. One that is pending is tried at once.',
  })
  @WebhookId()
  @DeliveryId()
  @ApiAcceptedResponse({ description: 'It will be sent.' })
  @ApiErrors(INVALID_ID, NO_DELIVERY, TEST_IS_ONCE)
  replayDelivery(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Param('deliveryId', ParseUuid) deliveryId: string,
  ): Promise<void> {
    return this.log.replayDelivery(caller, id, deliveryId);
  }

  @Post(':id/replay')
  @HttpCode(202)
  @Access('sync:write')
  @ApiOperation({
    summary: 'Send a range of a feed again',
    description:
      'What the feed of a developer has in this range, in messages of 100, beside what is new. Nothing is sent where the ' +
      'feed has nothing.',
  })
  @WebhookId()
  @ApiAcceptedResponse({ description: 'It will be sent.' })
  @ApiErrors(
    invalidRequest('until must be after since'),
    notFound('There is no developer dev-404.'),
    413,
    415,
  )
  replayRange(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Body() dto: ReplayDto,
  ): Promise<void> {
    return this.log.replayRange(caller, id, dto);
  }
}
