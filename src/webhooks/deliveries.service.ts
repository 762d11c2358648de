import { Injectable } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, IsNull, Not, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../access/caller.js';
import { turns } from '../access/turns.js';
import { momentOf } from '../api/datetime.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { DevelopersService } from '../developers/developers.service.js';
import { conflict, invalidRequest, notFound } from '../http/api-error.js';
import {
  type DeliveriesQuery,
  type ReplayDto,
  WebhookAttemptBody,
  WebhookDeliveryBody,
  type WebhookDeliveryDetailBody,
  type WebhookDeliveryPageBody,
} from './delivery.dto.js';
import { EndpointsService } from './endpoints.service.js';
import { mayRead } from './may-read.js';
import { logAttempt } from './sender/log-attempt.js';
import { bodyOf, secretsOf, send } from './sender/message.js';
import { SenderOptions } from './sender/options.js';
import { isAcknowledged } from './sender/post.js';
import { Scheduler } from './sender/scheduler.js';
import { REPLAY_DELIVERY, REPLAY_RANGE } from './sender/sql/start-replay.js';
import { TestPlaces } from './sender/test-places.js';
import { WebhookAttempt } from './webhook-attempt.entity.js';
import { WebhookDelivery } from './webhook-delivery.entity.js';
import { WebhookPosition } from './webhook-position.entity.js';

export const TEST_IS_ONCE = conflict('A test cannot be sent again.');

/** Replays of an endpoint that have not ended: each is one more position that takes its turn. */
const MAX_REPLAYS = 10;

export const TOO_MANY_REPLAYS = conflict(`A webhook has at most ${MAX_REPLAYS} replays that have not ended.`);

/** No developer has it: user ids start at 1. */
const NO_USER = 0;

/** $1 client, $2 user id */
const MAY_READ = `SELECT ${mayRead('$1', '$2')} AS "mayRead"`;

/** The log of deliveries, tests and replays. */
@Injectable()
export class DeliveriesService {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(WebhookDelivery) private readonly deliveries: Repository<WebhookDelivery>,
    @InjectRepository(WebhookAttempt) private readonly attempts: Repository<WebhookAttempt>,
    private readonly endpoints: EndpointsService,
    private readonly developers: DevelopersService,
    private readonly scheduler: Scheduler,
    private readonly testPlaces: TestPlaces,
    private readonly options: SenderOptions,
  ) {}

  /** Newest first. @throws ApiError 404 */
  async list(caller: Caller, endpointId: string, query: DeliveriesQuery): Promise<WebhookDeliveryPageBody> {
    const { developerId, status, kind, limit, page } = query;
    await this.endpoints.find(this.dataSource.manager, caller, endpointId);
    const developer = developerId === undefined ? undefined : await this.developers.find(developerId);
    const [deliveries, total] = await this.deliveries.findAndCount({
      where: {
        endpointId,
        // Enumeration: an unknown developer is looked for, too.
        ...(developerId !== undefined && { userId: developer?.userId ?? NO_USER }),
        ...(status && { status }),
        ...(kind && { kind }),
      },
      order: { id: 'DESC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    return { total, page, limit, data: deliveries.map((delivery) => WebhookDeliveryBody.of(delivery)) };
  }

  /** @throws ApiError 404 */
  async get(caller: Caller, endpointId: string, id: string): Promise<WebhookDeliveryDetailBody> {
    const delivery = await this.find(caller, endpointId, id);
    const attempts = await this.attempts.find({ where: { deliveryId: id }, order: { id: 'ASC' } });
    return {
      ...WebhookDeliveryBody.of(delivery),
      attempts: attempts.map((attempt) => WebhookAttemptBody.of(attempt)),
    };
  }

  /**
   * Sends a message without notifications, once, and waits for its answer.
   *
   * @throws ApiError 404, 503 while too many requests are under way
   */
  async test(caller: Caller, endpointId: string): Promise<WebhookDeliveryDetailBody> {
    const endpoint = await turns.run(caller.developer?.userId, () =>
      this.endpoints.find(this.dataSource.manager, caller, endpointId),
    );
    return this.testPlaces.run(endpoint, () => this.sendTest(caller, endpointId));
  }

  /**
   * Sends a message again, under its id. Single-flight, until it is acknowledged.
   *
   * @throws ApiError 404, 409 for a test, or with too many replays
   */
  async replayDelivery(caller: Caller, endpointId: string, deliveryId: string): Promise<void> {
    const { client } = await this.endpoints.find(this.dataSource.manager, caller, endpointId);
    const { userId } = await this.find(caller, endpointId, deliveryId);
    if (userId === null) throw TEST_IS_ONCE;
    await this.assertMayRead(client.id, userId, `user ${userId}`);
    await this.startReplay(endpointId, REPLAY_DELIVERY, [userId, endpointId, deliveryId], async (manager) => {
      // A pending delivery has a position: it is due now, unless it is being sent.
      const dueAt = () => 'CASE WHEN lease IS NULL THEN clock_timestamp() ELSE due_at END';
      const { affected } = await manager.update(WebhookPosition, { userId, deliveryId }, { dueAt });
      return affected !== 0;
    });
  }

  /** Sends a range of a feed again, in new messages. @throws ApiError 400, 404, 409 */
  async replayRange(caller: Caller, endpointId: string, dto: ReplayDto): Promise<void> {
    const { developerId, since, until } = dto;
    const { client } = await this.endpoints.find(this.dataSource.manager, caller, endpointId);
    const [start, end] = [momentOf(since), until === undefined ? null : momentOf(until)];
    if (end && end <= start) throw invalidRequest('until must be after since');
    const { userId = NO_USER } = (await this.developers.find(developerId)) ?? {};
    await this.assertMayRead(client.id, userId, `developer ${developerId}`);
    await this.startReplay(endpointId, REPLAY_RANGE, [userId, endpointId, start, end]);
  }

  /** Without waiting for a place. */
  private async sendTest(caller: Caller, endpointId: string): Promise<WebhookDeliveryDetailBody> {
    const endpoint = await this.endpoints.find(this.dataSource.manager, caller, endpointId);
    const { url, secret, previousSecretExpiresAt } = endpoint;
    const hasOverlap = previousSecretExpiresAt !== null && previousSecretExpiresAt > new Date();
    const secrets = secretsOf({ secret, previousSecret: hasOverlap ? endpoint.previousSecret : null });
    const id = uuidv7();
    const createdAt = new Date();
    const outcome = await send(url, { id, body: bodyOf([], null) }, secrets, this.options.timeout);
    await this.dataSource.transaction(async (manager) => {
      // The endpoint may have been deleted during the request.
      await this.endpoints.find(manager, caller, endpointId);
      await manager.insert(WebhookDelivery, {
        id,
        endpointId,
        kind: 'test',
        notifications: 0,
        status: isAcknowledged(outcome) ? 'delivered' : 'failed',
        createdAt,
        completedAt: new Date(),
      });
      await logAttempt(manager, id, outcome);
    });
    return this.get(caller, endpointId, id);
  }

  /**
   * One replay at a time is counted: the endpoint is locked, before its positions, as in a deletion.
   *
   * @param isPending the replay is under way already
   * @throws ApiError 409
   */
  private async startReplay(
    endpointId: string,
    statement: string,
    values: unknown[],
    isPending?: (manager: EntityManager) => Promise<boolean>,
  ): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await manager.query('SELECT FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE', [endpointId]);
      if (await isPending?.(manager)) return;
      const replays = await manager.countBy(WebhookPosition, { endpointId, endsAt: Not(IsNull()) });
      if (replays >= MAX_REPLAYS) throw TOO_MANY_REPLAYS;
      await manager.query(statement, values);
    });
    this.scheduler.nudge();
  }

  private async find(caller: Caller, endpointId: string, id: string): Promise<WebhookDelivery> {
    await this.endpoints.find(this.dataSource.manager, caller, endpointId);
    const delivery = await this.deliveries.findOneBy({ id, endpointId });
    if (!delivery) throw notFound(`There is no delivery ${id} of webhook ${endpointId}.`);
    return delivery;
  }

  private async assertMayRead(clientId: string, userId: number, name: string): Promise<void> {
    const [{ mayRead }] = await this.dataSource.execute<{ mayRead: boolean }>(MAY_READ, [clientId, userId]);
    if (!mayRead) throw notFound(`The API client has no live key or grant of ${name}.`);
  }
}
