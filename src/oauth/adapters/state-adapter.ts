import type { AdapterPayload } from 'oidc-provider';
import type { Repository } from 'typeorm';
import { hashSecret } from '../../clients/secrets.js';
import type { TidemarkDataSource } from '../../database/tidemark-data-source.js';
import type { GrantsService } from '../../tokens/grants.service.js';
import { OAuthState } from '../oauth-state.entity.js';
import type { PasswordsService } from '../passwords.service.js';
import { errors } from '../oidc-provider.js';
import { BaseAdapter } from './base-adapter.js';
import { violates } from '../../database/violates.js';

/** Compare-and-set: returns a row to the first caller only. */
const CONSUME = `
  UPDATE oauth_states SET consumed_at = clock_timestamp()
  WHERE model = $1 AND id = $2 AND consumed_at IS NULL
  RETURNING id`;

/** SQL: an erasure waits, and then ends this login. $1 developer id */
const LOCK_ACCOUNT = 'SELECT 1 FROM developers WHERE developer_id = $1 FOR KEY SHARE';

/** The login that a state comes from. */
interface Login {
  accountId?: string;
  /** Only the version of the password. The library takes it from the login to the session and the code. */
  amr?: string[];
}

/** Models that have the login as their own members: login sessions, codes, and logins of the account page. */
const WITH_LOGIN = ['Session', 'AuthorizationCode', 'Account'];

/** Sessions and interactions outlive their grants, so they are not tied to one. */
const WITHOUT_GRANT = ['Session', 'Interaction'];

/**
 * State of one model of the library (codes, refresh tokens, sessions, interactions) in `oauth_states`. Each
 * call runs outside any transaction of its caller: the embedded database has a single connection.
 */
export class StateAdapter extends BaseAdapter {
  private readonly states: Repository<OAuthState>;

  constructor(
    private readonly model: string,
    private readonly dataSource: TidemarkDataSource,
    private readonly grants: GrantsService,
    private readonly passwords: PasswordsService,
  ) {
    super();
    this.states = dataSource.getRepository(OAuthState);
  }

  /**
   * @param expiresIn seconds, by the clock of the database
   * @throws InvalidGrant when the grant was removed meanwhile, SessionNotFound when the account was erased
   */
  override async upsert(name: string, { ...payload }: AdapterPayload, expiresIn: number): Promise<void> {
    // The `jti` is the code or the token itself. Only its hash is stored.
    delete payload.jti;
    const { uid, grantId } = payload;
    const accountId = this.loginOf(payload)?.accountId ?? null;
    try {
      await this.dataSource.transaction(async (manager) => {
        if (accountId !== null && (await manager.query<unknown[]>(LOCK_ACCOUNT, [accountId])).length === 0)
          throw new errors.SessionNotFound('the account was erased meanwhile');
        await manager
          .createQueryBuilder()
          .insert()
          .into(OAuthState)
          .values({
            ...this.key(name),
            payload,
            grant: grantId !== undefined && !WITHOUT_GRANT.includes(this.model) ? { id: grantId } : null,
            uid: uid ?? null,
            accountId,
            // A parameter, not a part of the text: each text is prepared once and kept (postgres-client.ts).
            expiresAt: () => 'clock_timestamp() + make_interval(secs => :expiresIn)',
          })
          .setParameter('expiresIn', expiresIn)
          .orUpdate(['payload', 'uid', 'account_id', 'expires_at'], ['model', 'id'])
          .execute();
      });
    } catch (error) {
      if (!violates(error, 'oauth_states_grant')) throw error;
      throw new errors.InvalidGrant('grant not found');
    }
  }

  async find(name: string): Promise<AdapterPayload | undefined> {
    const payload = await this.load(this.key(name));
    return payload && { ...payload, jti: name };
  }

  override async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.load({ model: this.model, uid });
  }

  /**
   * Replay detection: of two uses of a code or a refresh token, also in different processes, one succeeds.
   * Either may be the attacker's, so the other one ends the grant (RFC 9700, sections 2.1.1 and 4.14.2).
   *
   * @throws InvalidGrant
   */
  override async consume(name: string): Promise<void> {
    const { model, id } = this.key(name);
    const consumed = await this.dataSource.execute(CONSUME, [model, id]);
    if (consumed.length > 0) return;
    const grantId = (await this.find(name))?.grantId;
    if (grantId !== undefined) await this.grants.remove(grantId);
    throw new errors.InvalidGrant('already used');
  }

  override async destroy(name: string): Promise<void> {
    await this.states.delete(this.key(name));
  }

  override async revokeByGrantId(grantId: string): Promise<void> {
    await this.states.delete({ model: this.model, grant: { id: grantId } });
  }

  /** A state, unless the password of its login has changed. */
  private async load(key: { model: string; id?: string; uid?: string }) {
    const state = await this.states.findOneBy(key);
    if (!state) return undefined;
    const payload = toPayload(state);
    const { accountId, amr } = this.loginOf(payload) ?? {};
    const isCurrent = accountId === undefined || amr?.[0] === (await this.passwords.version(accountId));
    return isCurrent ? payload : undefined;
  }

  /** The login that has to be current. Refresh tokens have none: grants outlive a password. */
  private loginOf(payload: AdapterPayload): Login | undefined {
    if (WITH_LOGIN.includes(this.model)) return payload;
    if (this.model !== 'Interaction') return undefined;
    const { result, lastSubmission, session } = payload as Record<string, Login & { login?: Login }>;
    return result?.login ?? lastSubmission?.login ?? session;
  }

  /** The primary key of the state that the library calls `name`. */
  private key(name: string): Pick<OAuthState, 'model' | 'id'> {
    return { model: this.model, id: hashSecret(name).toString('base64url') };
  }
}

const toPayload = ({ payload, consumedAt }: OAuthState): AdapterPayload => ({
  ...payload,
  ...(consumedAt && { consumed: Math.floor(consumedAt.getTime() / 1_000) }),
});
