import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../access/caller.js';
import { DevelopersService } from '../developers/developers.service.js';
import { conflict, invalidRequest, notFound } from '../http/api-error.js';
import { feedOf } from '../feed-clock/feed-clock.js';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { bodyOf, DeliveryService } from './delivery.service.js';
import { DispatcherService } from './dispatcher.service.js';
import { isAcknowledged } from './post.js';
import { mayRead } from './rights.js';
import {
  type DeliveriesQuery,
  type ReplayDto,
  WebhookAttemptBody,
  WebhookDeliveryBody,
  type WebhookDeliveryDetailBody,
  type WebhookDeliveryPageBody,
} from './webhook.dto.js';
import { WebhookAttempt } from './webhook-attempt.entity.js';
import { WebhookDelivery } from './webhook-delivery.entity.js';
import { WebhooksService } from './webhooks.service.js';

export const TEST_IS_ONCE = conflict('A test cannot be sent again.');

/** In ms: how often what is too old leaves the log. */
const PRUNING = 3_600_000;

/** $1 days */
const PRUNE = `
  DELETE FROM webhook_deliveries
  WHERE created_at < now() - $1 * interval '1 day' AND status <> 'pending'`;

/** What is pending is due now. $1 developer, $2 delivery */
const RETRY_DELIVERY = `
  UPDATE webhook_positions SET due_at = CASE WHEN lease IS NULL THEN clock_timestamp() ELSE due_at END
  WHERE user_id = $1 AND delivery_id = $2
  RETURNING id`;

/** A position beside the one of the changes, which ends where the replay does. */
const REPLAY = `
  INSERT INTO webhook_positions
    (user_id, id, endpoint_id, announced, scanned, ends_at, due_at, delivery_id)`;

/** Locks the endpoint first, as whoever deletes it does. $1 developer, $2 endpoint, $3 delivery */
const REPLAY_DELIVERY = `
  WITH endpoint AS MATERIALIZED (
    SELECT id FROM webhook_endpoints WHERE id = $2 FOR KEY SHARE
  ),
  again AS (
    UPDATE webhook_deliveries d SET status = 'pending', completed_at = NULL
    FROM endpoint e
    WHERE d.id = $3 AND endpoint_id = e.id AND status <> 'pending'
    RETURNING since, until
  )
  ${REPLAY}
  SELECT $1, gen_random_uuid(), $2, since, since, until, clock_timestamp(), $3 FROM again`;

/** $1 developer, $2 endpoint, $3 since, $4 until or null */
const REPLAY_RANGE = `
  ${REPLAY}
  SELECT user_id, gen_random_uuid(), $2, $3, $3, least($4, clock), clock_timestamp(), NULL
  FROM (${feedOf('$1')}) f
  WHERE $3 < least($4, clock)`;

/** $1 client, $2 developer */
const MAY_READ = `SELECT ${mayRead('$1', '$2')} AS "mayRead"`;

/** What was sent to an endpoint, and what can be sent again. */
@Injectable()
export class WebhookLogService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(WebhookLogService.name);
  private timer: NodeJS.Timeout;

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(WebhookDelivery) private readonly deliveries: Repository<WebhookDelivery>,
    @InjectRepository(WebhookAttempt) private readonly attempts: Repository<WebhookAttempt>,
    private readonly webhooks: WebhooksService,
    private readonly developers: DevelopersService,
    private readonly delivery: DeliveryService,
    private readonly dispatcher: DispatcherService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.prune();
    this.timer = setInterval(
      () =>
        void this.prune().catch((error: unknown) =>
          this.logger.error({ err: error }, 'the log is not pruned'),
        ),
      PRUNING,
    );
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Newest first. @throws ApiError 403, 404 */
  async list(caller: Caller, id: string, query: DeliveriesQuery): Promise<WebhookDeliveryPageBody> {
    const { developerId, status, kind, limit, page } = query;
    await this.webhooks.find(this.dataSource.manager, caller, id);
    const developer = developerId === undefined ? undefined : await this.developers.find(developerId);
    if (developerId !== undefined && !developer) return { total: 0, page, limit, data: [] };
    const [deliveries, total] = await this.deliveries.findAndCount({
      where: {
        endpointId: id,
        ...(developer && { userId: developer.userId }),
        ...(status && { status }),
        ...(kind && { kind }),
      },
      order: { id: 'DESC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    return { total, page, limit, data: deliveries.map((delivery) => WebhookDeliveryBody.of(delivery)) };
  }

  /** @throws ApiError 403, 404 */
  async get(caller: Caller, id: string, deliveryId: string): Promise<WebhookDeliveryDetailBody> {
    const delivery = await this.find(caller, id, deliveryId);
    const attempts = await this.attempts.find({ where: { deliveryId }, order: { id: 'ASC' } });
    return {
      ...WebhookDeliveryBody.of(delivery),
      attempts: attempts.map((attempt) => WebhookAttemptBody.of(attempt)),
    };
  }

  /** Sends a message without notifications, once, and says what came of it. @throws ApiError 403, 404 */
  async test(caller: Caller, id: string): Promise<WebhookDeliveryDetailBody> {
    const endpoint = await this.webhooks.find(this.dataSource.manager, caller, id);
    const { url, secret, previousSecret, previousSecretExpiresAt } = endpoint;
    const isPreviousValid = previousSecret !== null && previousSecretExpiresAt! > new Date();
    const deliveryId = uuidv7();
    const createdAt = new Date();
    const outcome = await this.delivery.send(
      url,
      deliveryId,
      bodyOf([], null),
      isPreviousValid ? [secret, previousSecret] : [secret],
    );
    await this.dataSource.transaction(async (manager) => {
      // It may have been deleted meanwhile.
      await this.webhooks.find(manager, caller, id);
      await manager.insert(WebhookDelivery, {
        id: deliveryId,
        endpointId: id,
        kind: 'test',
        notifications: 0,
        status: isAcknowledged(outcome) ? 'delivered' : 'failed',
        createdAt,
        completedAt: new Date(),
      });
      await this.delivery.log(manager, deliveryId, outcome);
    });
    return this.get(caller, id, deliveryId);
  }

  /** Sends a message again, under its id. @throws ApiError 403, 404, 409 for a test */
  async replayDelivery(caller: Caller, id: string, deliveryId: string): Promise<void> {
    const { client } = await this.webhooks.find(this.dataSource.manager, caller, id);
    const { userId } = await this.find(caller, id, deliveryId);
    if (userId === null) throw TEST_IS_ONCE;
    await this.assertMayRead(client.id, userId, `user ${userId}`);
    const pending = await this.dataSource.execute(RETRY_DELIVERY, [userId, deliveryId]);
    if (pending.length === 0) await this.dataSource.execute(REPLAY_DELIVERY, [userId, id, deliveryId]);
    this.dispatcher.nudge();
  }

  /** Sends a range of a feed again, in new messages. @throws ApiError 400, 403, 404 */
  async replayRange(caller: Caller, id: string, { developerId, since, until }: ReplayDto): Promise<void> {
    const { client } = await this.webhooks.find(this.dataSource.manager, caller, id);
    const developer = await this.developers.find(developerId);
    if (!developer) throw notFound(`There is no developer ${developerId}.`);
    const [start, end] = [new Date(since), until === undefined ? null : new Date(until)];
    if (end && end <= start) throw invalidRequest('until must be after since');
    await this.assertMayRead(client.id, developer.userId, `developer ${developerId}`);
    await this.dataSource.execute(REPLAY_RANGE, [developer.userId, id, start, end]);
    this.dispatcher.nudge();
  }

  private async find(caller: Caller, id: string, deliveryId: string): Promise<WebhookDelivery> {
    await this.webhooks.find(this.dataSource.manager, caller, id);
    const delivery = await this.deliveries.findOneBy({ id: deliveryId, endpointId: id });
    if (!delivery) throw notFound(`There is no delivery ${deliveryId} of webhook ${id}.`);
    return delivery;
  }

  private async assertMayRead(clientId: string, userId: number, who: string): Promise<void> {
    const [{ mayRead }] = await this.dataSource.execute<{ mayRead: boolean }>(MAY_READ, [clientId, userId]);
    if (!mayRead) throw notFound(`The API client has no live key or grant of ${who}.`);
  }

  private async prune(): Promise<void> {
    await this.dataSource.execute(PRUNE, [config.WEBHOOK_LOG_DAYS]);
  }
}
