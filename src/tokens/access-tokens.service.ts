import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { isUUID } from 'class-validator';
import { errors, jwtVerify, type JWTPayload } from 'jose';
import { In, LessThan, Repository } from 'typeorm';
import { Caller } from '../access/caller.js';
import { ApiClientsService } from '../clients/api-clients.service.js';
import { CredentialCache } from '../clients/credential-cache.js';
import { Histories } from '../histories/histories.js';
import { ACCESS_TOKEN_ALGORITHM, type AccessTokenClaims, isAccessToken } from './access-token.js';
import { GrantsService } from './grants.service.js';
import { RevokedToken } from './revoked-token.entity.js';
import { SigningKeysService } from './signing-keys.service.js';

/** Clock skew: a revoked token is remembered so long after its expiry, in ms. */
const MAX_CLOCK_SKEW = 86_400_000;

/** Access tokens of the built-in authorization server: verification, caller, revocation. */
@Injectable()
export class AccessTokensService {
  private readonly revocations: CredentialCache<{ isRevoked: boolean }>;

  constructor(
    private readonly clients: ApiClientsService,
    private readonly grants: GrantsService,
    private readonly signingKeys: SigningKeysService,
    @InjectRepository(RevokedToken) private readonly revoked: Repository<RevokedToken>,
    histories: Histories,
  ) {
    this.revocations = new CredentialCache(histories, async (ids) => {
      const found = await this.revoked.findBy({ id: In([...ids]) });
      const revoked = new Set(found.map(({ id }) => id));
      return ids.map((id) => ({ isRevoked: revoked.has(id) }));
    });
  }

  /**
   * @returns the claims; undefined for a token that is not an access token of this server, or has expired
   */
  async verify(token: string): Promise<JWTPayload | undefined> {
    const findKey = async ({ kid }: { kid?: string }) => {
      const key = await this.signingKeys.findPublicKey(kid);
      if (key === undefined) throw new errors.JWKSNoMatchingKey();
      return key;
    };
    try {
      const algorithms = [ACCESS_TOKEN_ALGORITHM];
      const { protectedHeader, payload } = await jwtVerify(token, findKey, { algorithms });
      return isAccessToken(protectedHeader, payload) ? payload : undefined;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  /**
   * The caller of a verified token. Its scopes are those that its client and its grant still have, as they
   * were at most 5 s ago.
   *
   * @returns undefined when the client or the grant is gone, or the token is revoked
   */
  async findCaller(claims: AccessTokenClaims): Promise<Caller | undefined> {
    const { sub, client_id, scope = '', grant: grantId } = claims;
    if (typeof scope !== 'string' || typeof client_id !== 'string') return undefined;
    if (!isUUID(client_id, 'loose')) return undefined;
    const client = await this.clients.find(client_id);
    if (!client) return undefined;
    const scopes = scope.split(' ').filter((name) => client.scopes.some((allowed) => allowed === name));
    const credential = { kind: 'access_token', id: client.id } as const;
    if (grantId === undefined) {
      const { owner } = client;
      if (owner === null || owner.developerId !== sub || (await this.isRevoked(claims))) return undefined;
      return new Caller(owner, scopes, credential, client);
    }
    const grant = await this.grants.find(String(grantId));
    if (grant?.client.id !== client.id || grant.developer.developerId !== sub) return undefined;
    return new Caller(
      grant.developer,
      scopes.filter((name) => grant.scopes.some((granted) => granted === name)),
      credential,
      client,
    );
  }

  /**
   * Revokes a verified token, and its grant if it has one: at once in this process, within 5 s in all
   * others.
   *
   * @param claims as `verify` returns them
   */
  async revoke({ grant: grantId, jti, exp }: JWTPayload): Promise<void> {
    if (grantId !== undefined) return this.grants.remove(String(grantId));
    await this.revoked.upsert({ id: jti!, expiresAt: new Date(exp! * 1_000) }, ['id']);
    this.revocations.forget(jti!);
    await this.revoked.delete({ expiresAt: LessThan(new Date(Date.now() - MAX_CLOCK_SKEW)) });
  }

  private async isRevoked({ jti }: AccessTokenClaims): Promise<boolean> {
    return typeof jti !== 'string' || (await this.revocations.get(jti))!.isRevoked;
  }
}
