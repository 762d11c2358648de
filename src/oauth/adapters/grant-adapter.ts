import type { AdapterPayload } from 'oidc-provider';
import { CLIENT_SCOPES } from '../../access/scopes.js';
import type { DevelopersService } from '../../developers/developers.service.js';
import { audience } from '../../tokens/audience.js';
import type { GrantsService } from '../../tokens/grants.service.js';
import { errors } from '../oidc-provider.js';
import { BaseAdapter } from './base-adapter.js';
import { violates } from '../../database/violates.js';

/** The library's grants, in the table `grants`, which the API reads and subscribers watch. */
export class GrantAdapter extends BaseAdapter {
  constructor(
    private readonly grants: GrantsService,
    private readonly developers: DevelopersService,
  ) {
    super();
  }

  override async upsert(id: string, payload: AdapterPayload): Promise<void> {
    const { accountId, clientId, iat, exp } = payload;
    const resources = payload.resources as Record<string, string> | undefined;
    const developer = await this.developers.find(accountId!);
    if (!developer) throw new errors.InvalidRequest('the account is gone');
    const granted = resources?.[audience()]?.split(' ') ?? [];
    // Without `openid`, which is no scope of the API: a login alone has none.
    const scopes = CLIENT_SCOPES.filter((scope) => granted.includes(scope));
    const [createdAt, expiresAt] = [new Date(iat! * 1_000), new Date(exp! * 1_000)];
    try {
      await this.grants.save({ id, scopes, payload, createdAt, expiresAt }, developer, clientId!);
    } catch (error) {
      if (!violates(error, 'grants_client')) throw error;
      throw new errors.InvalidClient('client is invalid', 'the client was deleted meanwhile');
    }
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const grant = await this.grants.load(id);
    return grant?.payload as AdapterPayload | undefined;
  }

  override destroy(id: string): Promise<void> {
    return this.grants.remove(id);
  }
}
