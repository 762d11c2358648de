import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { isUUID } from 'class-validator';
import { timingSafeEqual } from 'node:crypto';
import { IsNull, Not, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
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
import { DevelopersService } from '../developers/developers.service.js';
import { generateClientSecret, hashSecret } from './secrets.js';

@Injectable()
export class ApiClientsService {
  private readonly inUse = new CredentialCache<ApiClient>((id) => this.load(id));

  constructor(
    @InjectRepository(ApiClient) private readonly clients: Repository<ApiClient>,
    private readonly developers: DevelopersService,
  ) {}

  /** The client with this id, the server's own included, as it was at most 5 s ago. What is no UUID has no client. */
  async find(id: string): Promise<ApiClient | undefined> {
    return isUUID(id, 'loose') ? this.inUse.get(id.toLowerCase()) : undefined;
  }

  /** Is this the secret of the client, or the one before it while that still works? Takes the same time for all. */
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

  async create({
    developerId,
    public: isPublic,
    ...settings
  }: CreateApiClientDto): Promise<ApiClientWithSecretBody> {
    const owner = await this.developers.findOrCreate(developerId);
    const secret = isPublic ? null : generateClientSecret();
    const now = new Date();
    const saved = await this.clients.save(
      this.clients.create({
        ...settings,
        id: uuidv7(),
        owner,
        secretHash: secret === null ? null : hashSecret(secret),
        previousSecretHash: null,
        previousSecretExpiresAt: null,
        createdAt: now,
        updatedAt: now,
      }),
    );
    return { ...ApiClientBody.of(saved), secret };
  }

  async list({ developerId, limit, page }: ApiClientsQuery): Promise<ApiClientPageBody> {
    const [clients, total] = await this.clients.findAndCount({
      relations: { owner: true },
      where: { owner: developerId === undefined ? Not(IsNull()) : { developerId } },
      order: { id: 'ASC' },
      take: limit,
      skip: (page - 1) * limit,
    });
    return { total, page, limit, data: clients.map((client) => ApiClientBody.of(client)) };
  }

  /** @throws ApiError 404, also for the server's own client, which nobody manages */
  async get(id: string): Promise<ApiClientBody> {
    const client = await this.load(id);
    if (!client?.owner) throw noClient(id);
    return ApiClientBody.of(client);
  }

  /** @throws ApiError 404 */
  async update(id: string, changes: UpdateApiClientDto): Promise<ApiClientBody> {
    await this.clients.update({ id, owner: Not(IsNull()) }, { ...changes, updatedAt: new Date() });
    this.inUse.forget(id);
    return this.get(id);
  }

  /** @throws ApiError 404, 400 for a public client */
  async rotateSecret(id: string, overlapSeconds: number): Promise<ApiClientWithSecretBody> {
    const secret = generateClientSecret();
    const now = Date.now();
    // In one statement, so that of two rotations at once the later one keeps the secret of the earlier one working.
    const { affected } = await this.clients
      .createQueryBuilder()
      .update({
        secretHash: hashSecret(secret),
        previousSecretHash: () => (overlapSeconds > 0 ? 'secret_hash' : 'NULL'),
        previousSecretExpiresAt: overlapSeconds > 0 ? new Date(now + overlapSeconds * 1_000) : null,
        updatedAt: new Date(now),
      })
      .where('id = :id AND user_id IS NOT NULL AND secret_hash IS NOT NULL', { id })
      .execute();
    this.inUse.forget(id);
    const body = await this.get(id);
    if (affected === 0) throw PUBLIC_CLIENT;
    return { ...body, secret };
  }

  /** With its API keys and grants. @throws ApiError 404 */
  async delete(id: string): Promise<void> {
    const { affected } = await this.clients.delete({ id, owner: Not(IsNull()) });
    this.inUse.forget(id);
    if (affected === 0) throw noClient(id);
  }

  private async load(id: string): Promise<ApiClient | undefined> {
    const client = await this.clients.findOne({
      relations: { owner: true },
      where: { id },
    });
    return client ?? undefined;
  }
}

const noClient = (id: string) => notFound(`There is no API client ${id}.`);

export const PUBLIC_CLIENT = invalidRequest('A public client has no secret.');
