import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { isUUID } from 'class-validator';
import { errors, jwtVerify, type JWTPayload } from 'jose';
import { createPublicKey } from 'node:crypto';
import { LessThan, Repository } from 'typeorm';
import { config } from '../config.js';
import { ApiClientsService } from '../clients/api-clients.service.js';
import { audience } from './audience.js';
import { Caller } from '../access/caller.js';
import { CredentialCache } from '../clients/credential-cache.js';
import { GrantsService } from './grants.service.js';
import { RevokedToken } from './revoked-token.entity.js';
import { ServerKeysService } from './server-keys.service.js';

/** What an access token says (RFC 9068), as far as anybody here asks, and as long as nobody has looked at it. */
export interface AccessTokenClaims {
  iss?: unknown;
  aud?: unknown;
  sub?: unknown;
  exp?: unknown;
  jti?: unknown;
  /** Space-separated (RFC 8693); some issuers send a list. */
  scope?: unknown;
  /** Of the built-in authorization server, as the next one. */
  client_id?: unknown;
  /** Id of the grant; a token of client credentials has none. */
  grant?: unknown;
}

/** For how long after its end a revoked token is remembered, in ms: a process whose clock is behind still takes it for one. */
const KEPT = 86_400_000;

/** Access tokens of the built-in authorization server: whom they stand for, and their end before their time. */
@Injectable()
export class AccessTokensService {
  private readonly revocations = new CredentialCache(async (id) => ({
    isRevoked: await this.revoked.existsBy({ id }),
  }));

  constructor(
    private readonly clients: ApiClientsService,
    private readonly grants: GrantsService,
    private readonly serverKeys: ServerKeysService,
    @InjectRepository(RevokedToken) private readonly revoked: Repository<RevokedToken>,
  ) {}

  /** What a token says, if it is one of this server's access tokens and not over. */
  async verify(token: string): Promise<JWTPayload | undefined> {
    const findKey = async ({ kid }: { kid?: string }) => {
      const key = await this.serverKeys.findPublicKey(kid);
      if (key === undefined) throw new errors.JWKSNoMatchingKey();
      return createPublicKey(key);
    };
    try {
      const { payload } = await jwtVerify(token, findKey, {
        algorithms: ['ES256'],
        typ: 'at+jwt',
        issuer: config.PUBLIC_URL,
        audience: audience(),
        requiredClaims: ['exp'],
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  /**
   * The caller that a token with a good signature stands for, if it does: what it says counts only as far as its client and
   * its grant still do, as they were at most 5 s ago.
   */
  async findCaller(claims: AccessTokenClaims): Promise<Caller | undefined> {
    const { sub, exp, client_id, scope = '', grant: grantId } = claims;
    if (typeof exp !== 'number' || typeof scope !== 'string' || typeof client_id !== 'string')
      return undefined;
    if (!isUUID(client_id, 'loose')) return undefined;
    const client = await this.clients.find(client_id);
    if (!client) return undefined;
    const scopes = scope.split(' ').filter((name) => client.scopes.some((allowed) => allowed === name));
    if (grantId === undefined) {
      const { owner } = client;
      if (owner === null || owner.developerId !== sub || (await this.isRevoked(claims))) return undefined;
      return new Caller(owner, scopes, client);
    }
    const grant = await this.grants.find(String(grantId));
    if (grant?.client.id !== client.id || grant.developer.developerId !== sub) return undefined;
    return new Caller(
      grant.developer,
      scopes.filter((name) => grant.scopes.some((granted) => granted === name)),
      client,
    );
  }

  /** Ends a token that was verified: at once in this process, within 5 s in all others. Its grant, if it has one, ends too. */
  async revoke({ grant: grantId, jti, exp }: JWTPayload): Promise<void> {
    if (grantId !== undefined) return this.grants.remove(String(grantId));
    await this.revoked.upsert({ id: jti!, expiresAt: new Date(exp! * 1_000) }, ['id']);
    this.revocations.forget(jti!);
    await this.revoked.delete({ expiresAt: LessThan(new Date(Date.now() - KEPT)) });
  }

  private async isRevoked({ jti }: AccessTokenClaims): Promise<boolean> {
    return typeof jti !== 'string' || (await this.revocations.get(jti))!.isRevoked;
  }
}
