import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { GrantsService } from '../tokens/grants.service.js';
import { hashSecret } from '../clients/secrets.js';
import type { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { errors } from './oidc-provider.js';

/** $7 in seconds */
const UPSERT = `
  INSERT INTO oauth_states (model, id, payload, grant_id, uid, account_id, expires_at)
  VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(secs => $7))
  ON CONFLICT (model, id) DO UPDATE SET
    payload = excluded.payload, uid = excluded.uid, account_id = excluded.account_id, expires_at = excluded.expires_at`;

const FIND = `SELECT payload, consumed_at FROM oauth_states WHERE model = $1 AND id = $2`;

const FIND_BY_UID = `SELECT payload, consumed_at FROM oauth_states WHERE model = $1 AND uid = $2`;

const CONSUME = `
  UPDATE oauth_states SET consumed_at = clock_timestamp()
  WHERE model = $1 AND id = $2 AND consumed_at IS NULL
  RETURNING id`;

/** Expired rows of these tables are removed now and then, a few at a time, and none that others are removing. */
const EXPIRED = ['oauth_states', 'invites', 'login_attempts'].map(
  (table) => `
    DELETE FROM ${table} WHERE ctid IN (
      SELECT ctid FROM ${table} WHERE expires_at < clock_timestamp() LIMIT 1000 FOR UPDATE SKIP LOCKED)`,
);

/** Between two removals by one process, in ms. */
const REMOVAL_INTERVAL = 60_000;

let removedAt = -Infinity;

interface Row {
  payload: AdapterPayload;
  consumed_at: Date | null;
}

/** What a name of the library is stored under. */
const toId = (name: string) => hashSecret(name).toString('base64url');

/** What the library keeps for one of its models, in `oauth_states`. Each call is one statement, outside any transaction. */
export class StateAdapter implements Adapter {
  constructor(
    private readonly model: string,
    private readonly dataSource: TidemarkDataSource,
    private readonly grants: GrantsService,
  ) {}

  async upsert(name: string, { ...payload }: AdapterPayload, expiresIn: number): Promise<void> {
    delete payload.jti;
    const { uid, accountId, grantId } = payload;
    // A login and what somebody is at outlive the grants that they lead to.
    const grant = ['Session', 'Interaction'].includes(this.model) ? undefined : grantId;
    try {
      await this.dataSource.execute(UPSERT, [
        this.model,
        toId(name),
        payload,
        grant ?? null,
        uid ?? null,
        this.model === 'Session' ? (accountId ?? null) : null,
        expiresIn,
      ]);
    } catch (error) {
      if ((error as { constraint?: string }).constraint !== 'oauth_states_grant') throw error;
      throw new errors.InvalidGrant('grant not found');
    }
    await this.removeExpired();
  }

  async find(name: string): Promise<AdapterPayload | undefined> {
    const [row] = await this.dataSource.execute<Row>(FIND, [this.model, toId(name)]);
    return row && { ...toPayload(row), jti: name };
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    const [row] = await this.dataSource.execute<Row>(FIND_BY_UID, [this.model, uid]);
    return row && toPayload(row);
  }

  async findByUserCode(): Promise<undefined> {
    return undefined;
  }

  /**
   * Of two that use a code or a refresh token at once, also in different processes, one wins. The other one may be a
   * thief, or the first one may: nothing of the grant is left (RFC 9700, sections 2.1.1 and 4.14.2).
   *
   * @throws InvalidGrant
   */
  async consume(name: string): Promise<void> {
    const consumed = await this.dataSource.execute(CONSUME, [this.model, toId(name)]);
    if (consumed.length > 0) return;
    const grantId = (await this.find(name))?.grantId;
    if (grantId !== undefined) await this.grants.remove(grantId);
    throw new errors.InvalidGrant('already used');
  }

  async destroy(name: string): Promise<void> {
    await this.dataSource.execute('DELETE FROM oauth_states WHERE model = $1 AND id = $2', [
      this.model,
      toId(name),
    ]);
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.dataSource.execute('DELETE FROM oauth_states WHERE model = $1 AND grant_id = $2', [
      this.model,
      grantId,
    ]);
  }

  private async removeExpired(): Promise<void> {
    if (performance.now() < removedAt + REMOVAL_INTERVAL) return;
    removedAt = performance.now();
    for (const sql of EXPIRED) await this.dataSource.execute(sql, []);
    await this.grants.removeExpired();
  }
}

const toPayload = ({ payload, consumed_at }: Row): AdapterPayload => ({
  ...payload,
  ...(consumed_at && { consumed: Math.floor(consumed_at.getTime() / 1_000) }),
});
