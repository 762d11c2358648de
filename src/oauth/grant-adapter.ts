import type { Adapter, AdapterPayload } from 'oidc-provider';
import { QueryFailedError } from 'typeorm';
import { audience } from '../tokens/audience.js';
import type { Scope } from '../access/scopes.js';
import type { DevelopersService } from '../developers/developers.service.js';
import { errors } from './oidc-provider.js';
import type { GrantsService } from '../tokens/grants.service.js';
import { unsupported } from './unsupported.js';

/** The library's grants, in the table that the API and its subscribers know. */
export class GrantAdapter implements Adapter {
  constructor(
    private readonly grants: GrantsService,
    private readonly developers: DevelopersService,
  ) {}

  async upsert(id: string, payload: AdapterPayload): Promise<void> {
    const { accountId, clientId, iat, exp } = payload;
    const resources = payload.resources as Record<string, string> | undefined;
    const developer = await this.developers.find(accountId!);
    const scopes = (resources?.[audience()]?.split(' ') ?? []) as Scope[];
    const [createdAt, expiresAt] = [new Date(iat! * 1_000), new Date(exp! * 1_000)];
    try {
      await this.grants.save({ id, scopes, payload, createdAt, expiresAt }, developer!.userId, clientId!);
    } catch (error) {
      const { constraint } =
        error instanceof QueryFailedError ? (error.driverError as { constraint?: string }) : {};
      if (constraint !== 'grants_client') throw error;
      throw new errors.InvalidClient('client is invalid', 'the client was deleted a moment ago');
    }
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const grant = await this.grants.load(id);
    return grant?.payload as AdapterPayload | undefined;
  }

  destroy(id: string): Promise<void> {
    return this.grants.remove(id);
  }

  findByUid = unsupported;
  findByUserCode = unsupported;
  consume = unsupported;
  revokeByGrantId = unsupported;
}
