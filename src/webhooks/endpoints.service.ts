import { Injectable } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, In, IsNull, Not, Raw, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ApiClient } from '../clients/api-client.entity.js';
import { noClient } from '../clients/api-clients.service.js';
import type { Caller } from '../access/caller.js';
import { conflict, invalidRequest, notFound } from '../http/api-error.js';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import {
  type CreateWebhookDto,
  type UpdateWebhookDto,
  WebhookBody,
  type WebhookPageBody,
  type WebhooksQuery,
  type WebhookWithSecretBody,
} from './endpoint.dto.js';
import { startEndpoint } from './positions.js';
import { parseEndpointUrl, RefusedUrlError, resolveEndpoint } from './sender/public-address.js';
import { Scheduler } from './sender/scheduler.js';
import { generateSecret } from './sender/signature.js';
import { WebhookEndpoint } from './webhook-endpoint.entity.js';
import { WebhookPosition } from './webhook-position.entity.js';

/**
 * Endpoints of an API client: each takes up to 4 of the 200 requests that a process makes at the same time.
 */
const MAX_ENDPOINTS = 20;

export const TOO_MANY_WEBHOOKS = conflict(`An API client has at most ${MAX_ENDPOINTS} webhooks.`);

/** The endpoints of API clients. Managed by the owner of the client, and by admins. */
@Injectable()
export class EndpointsService {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(WebhookEndpoint) private readonly endpoints: Repository<WebhookEndpoint>,
    private readonly scheduler: Scheduler,
  ) {}

  /** @throws ApiError 400, 404, 409 */
  async create(caller: Caller, dto: CreateWebhookDto): Promise<WebhookWithSecretBody> {
    const { url, assets, active = true } = dto;
    const clientId = dto.clientId.toLowerCase();
    const owned = await this.dataSource.manager.findOne(ApiClient, clientOf(clientId));
    if (!owned || !manages(caller, owned)) throw noClient(clientId);
    await assertReachable(url);
    const now = new Date();
    const secret = generateSecret();
    const endpoint = this.endpoints.create({
      id: uuidv7(),
      clientId,
      url,
      assets: assets ?? null,
      active,
      secret,
      createdAt: now,
      updatedAt: now,
    });
    await this.dataSource.transaction(async (manager) => {
      // A new right locks the client, too: the later of the two commits sees the other.
      const client = await manager.findOne(ApiClient, {
        where: { id: clientId },
        lock: { mode: 'pessimistic_write' },
      });
      if (!client) throw noClient(clientId);
      if ((await manager.countBy(WebhookEndpoint, { clientId })) >= MAX_ENDPOINTS) throw TOO_MANY_WEBHOOKS;
      await manager.insert(WebhookEndpoint, endpoint);
      await startEndpoint(manager, endpoint.id, clientId);
    });
    return { ...WebhookBody.of(await this.endpoints.findOneByOrFail({ id: endpoint.id })), secret };
  }

  /** Oldest first. @throws ApiError 403 */
  async list(caller: Caller, { clientId, limit, page }: WebhooksQuery): Promise<WebhookPageBody> {
    const [endpoints, total] = await this.endpoints.findAndCount({
      where: {
        ...(clientId === undefined ? {} : { clientId: clientId.toLowerCase() }),
        ...(caller.isAdmin
          ? {}
          : {
              client: {
                // An application of another issuer has no endpoints.
                ...(caller.isApplication && { id: In(caller.client ? [caller.client.id] : []) }),
                owner: { userId: caller.ownDeveloper().userId },
              },
            }),
      },
      order: { id: 'ASC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    return { total, page, limit, data: endpoints.map((endpoint) => WebhookBody.of(endpoint)) };
  }

  async get(caller: Caller, id: string): Promise<WebhookBody> {
    return WebhookBody.of(await this.find(this.dataSource.manager, caller, id));
  }

  /** @throws ApiError 400, 404 */
  async update(caller: Caller, id: string, { url, assets, active }: UpdateWebhookDto): Promise<WebhookBody> {
    await this.find(this.dataSource.manager, caller, id);
    if (url !== undefined) await assertReachable(url);
    const isNewStart = active === true || url !== undefined;
    const endpoint = await this.change(caller, id, async (manager) => {
      await manager.update(WebhookEndpoint, id, {
        ...(url === undefined ? {} : { url }),
        ...(assets === undefined ? {} : { assets }),
        ...(active === undefined ? {} : { active, disabledAt: null, disabledReason: null }),
        ...(isNewStart ? { failures: 0, failingSince: null, failedAt: null, retryAt: null } : {}),
        updatedAt: new Date(),
      });
      if (isNewStart) await retryNow(manager, id);
      if (assets !== undefined) await rescan(manager, id);
    });
    this.scheduler.nudge();
    return WebhookBody.of(endpoint);
  }

  /** @throws ApiError 404 */
  async delete(caller: Caller, id: string): Promise<void> {
    await this.find(this.dataSource.manager, caller, id);
    await this.endpoints.delete(id);
  }

  /** @throws ApiError 404 */
  async rotateSecret(caller: Caller, id: string, overlapSeconds: number): Promise<WebhookWithSecretBody> {
    await this.find(this.dataSource.manager, caller, id);
    const secret = generateSecret();
    const endpoint = await this.change(caller, id, async (manager, { secret: previousSecret }) => {
      const now = Date.now();
      const hasOverlap = overlapSeconds > 0;
      await manager.update(WebhookEndpoint, id, {
        secret,
        previousSecret: hasOverlap ? previousSecret : null,
        previousSecretExpiresAt: hasOverlap ? new Date(now + overlapSeconds * 1_000) : null,
        updatedAt: new Date(now),
      });
    });
    return { ...WebhookBody.of(endpoint), secret };
  }

  /**
   * An endpoint that the caller manages. Enumeration: any other one is as good as none.
   *
   * @throws ApiError 404
   */
  async find(manager: EntityManager, caller: Caller, id: string): Promise<WebhookEndpoint> {
    const endpoint = await manager.findOne(WebhookEndpoint, {
      where: { id },
      relations: { client: { owner: true } },
    });
    if (!endpoint || !manages(caller, endpoint.client)) throw notFound(`There is no webhook ${id}.`);
    return endpoint;
  }

  /** Changes an endpoint under its lock. @returns the changed endpoint */
  private change(
    caller: Caller,
    id: string,
    work: (manager: EntityManager, endpoint: WebhookEndpoint) => Promise<void>,
  ): Promise<WebhookEndpoint> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query('SELECT FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE', [id]);
      await work(manager, await this.find(manager, caller, id));
      return manager.findOneByOrFail(WebhookEndpoint, { id });
    });
  }
}

const now = () => 'clock_timestamp()';

/** Makes positions due that wait for their next attempt. A delivery that is being sent is left alone. */
async function retryNow(manager: EntityManager, endpointId: string): Promise<void> {
  const waiting = { endpointId, dueAt: Not(IsNull()), lease: IsNull() };
  await manager.update(WebhookPosition, waiting, { dueAt: now, attempts: 0 });
}

/** Makes positions due that have passed changes over: with other assets, these may count. */
async function rescan(manager: EntityManager, endpointId: string): Promise<void> {
  const ahead = { endpointId, endsAt: IsNull(), announced: Raw((column) => `${column} < scanned`) };
  await manager.update(WebhookPosition, ahead, { dueAt: () => 'coalesce(due_at, clock_timestamp())' });
}

const clientOf = (id: string) => ({ where: { id }, relations: { owner: true } });

/** Endpoints belong to the developer who owns their client. The server's own client has no owner. */
function manages(caller: Caller, { id, owner }: ApiClient): boolean {
  if (!owner || caller.isAdmin) return owner !== null;
  // An application manages its own endpoints, not those of its developer's other applications.
  return owner.userId === caller.developer?.userId && (!caller.isApplication || caller.client?.id === id);
}

/** @throws ApiError 400 */
async function assertReachable(text: string): Promise<void> {
  try {
    const url = parseEndpointUrl(text, config.WEBHOOK_ALLOW_PRIVATE);
    await resolveEndpoint(url, config.WEBHOOK_ALLOW_PRIVATE);
  } catch (error) {
    if (error instanceof RefusedUrlError) throw invalidRequest(`url is refused: ${error.message}`);
    throw error;
  }
}
