import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { isUUID } from 'class-validator';
import { timingSafeEqual } from 'node:crypto';
import { In, IsNull, Not, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../access/caller.js';
import { audit } from '../audit/audit.js';
import type { AuditAction } from '../audit/audit-line.entity.js';
import { inOrder } from '../database/coalesce.js';
import { DevelopersService } from '../developers/developers.service.js';
import { lockDeveloper } from '../developers/lock-developer.js';
import { Histories } from '../histories/histories.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import {
  ApiClientBody,
  type ApiClientPageBody,
  type ApiClientsQuery,
  type ApiClientWithSecretBody,
  type CreateApiClientDto,
  type UpdateApiClientDto,
} from './api-client.dto.js';
import { ApiClient } from './api-client.entity.js';
import { CredentialCache } from './credential-cache.js';
import { generateClientSecret, hashSecret } from './secrets.js';

/** Clients that an admin manages: all but the server's own. */
const MANAGED = { owner: Not(IsNull()) };

type Clients = Repository<ApiClient>;

@Injectable()
export class ApiClientsService {
  private readonly cache: CredentialCache<ApiClient>;

  constructor(
    @InjectRepository(ApiClient) private readonly clients: Repository<ApiClient>,
    private readonly developers: DevelopersService,
    histories: Histories,
  ) {
    this.cache = new CredentialCache(histories, async (ids) => {
      const found = await this.clients.find({ relations: { owner: true }, where: { id: In([...ids]) } });
      return inOrder(ids, found, ({ id }) => id);
    });
  }

  /**
   * The client with this id, the server's own included, as it was at most 5 s ago.
   *
   * @param id any text; undefined is returned for what is no UUID
   */
  async find(id: string): Promise<ApiClient | undefined> {
    return isUUID(id, 'loose') ? this.cache.get(id.toLowerCase()) : undefined;
  }

  /**
   * Constant time: compares a secret with the current one, and with the previous one until its overlap ends.
   */
  verifySecret(
    { secretHash, previousSecretHash, previousSecretExpiresAt }: ApiClient,
    secret: string,
  ): boolean {
    const hash = hashSecret(secret);
    const isEqual = (stored: Buffer | null) => stored !== null && timingSafeEqual(stored, hash);
    const isCurrent = isEqual(secretHash);
    const isPrevious = isEqual(previousSecretHash);
    return isCurrent || (isPrevious && previousSecretExpiresAt!.getTime() > Date.now());
  }

  async create(caller: Caller, dto: CreateApiClientDto): Promise<ApiClientWithSecretBody> {
    const {
      developerId,
      public: isPublic = false,
      redirectUris = [],
      defaultAssets = null,
      pkce = 'required',
      ...settings
    } = dto;
    if (isPublic && pkce === 'optional') throw PUBLIC_NEEDS_PKCE;
    const owner = await this.developers.findOrCreate(developerId);
    const secret = isPublic ? null : generateClientSecret();
    const now = new Date();
    const client = this.clients.create({
      ...settings,
      redirectUris,
      defaultAssets,
      pkce,
      id: uuidv7(),
      owner,
      secretHash: secret === null ? null : hashSecret(secret),
      previousSecretHash: null,
      previousSecretExpiresAt: null,
      createdAt: now,
      updatedAt: now,
    });
    await this.clients.manager.transaction(async (manager) => {
      await lockDeveloper(manager, owner);
      await manager.save(client);
      const { id: targetId, scopes } = client;
      const details = { scopes, pkce };
      await audit(manager, caller, { action: 'client.created', targetId, developerId, details });
    });
    return { ...ApiClientBody.of(client), secret };
  }

  async list({ developerId, limit, page }: ApiClientsQuery): Promise<ApiClientPageBody> {
    const [clients, total] = await this.clients.findAndCount({
      relations: { owner: true },
      where: developerId === undefined ? MANAGED : { owner: { developerId } },
      order: { id: 'ASC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    return { total, page, limit, data: clients.map((client) => ApiClientBody.of(client)) };
  }

  /** @throws ApiError 404, also for the server's own client */
  async get(id: string): Promise<ApiClientBody> {
    const client = await this.load(id);
    if (!client?.owner) throw noClient(id);
    return ApiClientBody.of(client);
  }

  /** @throws ApiError 404, 400 for a public client without PKCE */
  async update(caller: Caller, id: string, changes: UpdateApiClientDto): Promise<ApiClientBody> {
    const fields = Object.entries(changes).flatMap(([field, value]) => (value === undefined ? [] : [field]));
    const row = { ...changes, updatedAt: new Date() };
    const confidential = changes.pkce === 'optional' && { secretHash: Not(IsNull()) };
    const work = (clients: Clients) => clients.update({ id, ...MANAGED, ...confidential }, row);
    const isUpdated = await this.change(caller, id, { action: 'client.updated', details: { fields } }, work);
    const body = await this.get(id);
    if (!isUpdated) throw PUBLIC_NEEDS_PKCE;
    return body;
  }

  /** @throws ApiError 404, 400 for a public client */
  async rotateSecret(caller: Caller, id: string, overlapSeconds: number): Promise<ApiClientWithSecretBody> {
    const secret = generateClientSecret();
    const now = Date.now();
    // Lost update: one statement, so that of two concurrent rotations the second keeps the secret of the
    // first.
    const rotate = (clients: Clients) =>
      clients.update(
        { id, ...MANAGED, secretHash: Not(IsNull()) },
        {
          secretHash: hashSecret(secret),
          previousSecretHash: () => (overlapSeconds > 0 ? 'secret_hash' : 'NULL'),
          previousSecretExpiresAt: overlapSeconds > 0 ? new Date(now + overlapSeconds * 1_000) : null,
          updatedAt: new Date(now),
        },
      );
    const line = { action: 'client.secret_rotated', details: { overlapSeconds } } as const;
    const isRotated = await this.change(caller, id, line, rotate);
    const body = await this.get(id);
    if (!isRotated) throw PUBLIC_CLIENT;
    return { ...body, secret };
  }

  /** Deletes a client with its API keys and grants. @throws ApiError 404 */
  async delete(caller: Caller, id: string): Promise<void> {
    const work = (clients: Clients) => clients.delete({ id, ...MANAGED });
    if (!(await this.change(caller, id, { action: 'client.deleted' }, work))) throw noClient(id);
  }

  /**
   * Changes a client, and says so in the audit log.
   *
   * @param work one statement
   * @returns whether it found the client
   * @throws ApiError 404, also for the server's own client
   */
  private async change(
    caller: Caller,
    id: string,
    line: { action: AuditAction; details?: object },
    work: (clients: Clients) => Promise<{ affected?: number | null }>,
  ): Promise<boolean> {
    const client = await this.load(id);
    if (!client?.owner) throw noClient(id);
    const { developerId } = client.owner;
    const isChanged = await this.clients.manager.transaction(async (manager) => {
      const { affected } = await work(manager.getRepository(ApiClient));
      if (affected === 0) return false;
      await audit(manager, caller, { ...line, targetId: id, developerId });
      return true;
    });
    this.cache.forget(id);
    return isChanged;
  }

  private async load(id: string): Promise<ApiClient | undefined> {
    return (await this.clients.findOne({ relations: { owner: true }, where: { id } })) ?? undefined;
  }
}

export const noClient = (id: string) => notFound(`There is no API client ${id}.`);

export const PUBLIC_NEEDS_PKCE = invalidRequest('A public client must use PKCE.');

export const PUBLIC_CLIENT = invalidRequest('A public client has no secret.');
