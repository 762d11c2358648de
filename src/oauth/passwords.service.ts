import { hash, verify } from '@node-rs/argon2';
import { Injectable } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { randomBytes } from 'node:crypto';
import { MoreThan, Repository } from 'typeorm';
import type { Caller, DeveloperIdentity } from '../access/caller.js';
import { isText } from '../api/rules.js';
import { audit } from '../audit/audit.js';
import { hashSecret } from '../clients/secrets.js';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { DevelopersService } from '../developers/developers.service.js';
import { lockDeveloper } from '../developers/lock-developer.js';
import { Invite } from './invite.entity.js';
import { OAuthState } from './oauth-state.entity.js';
import { Password } from './password.entity.js';

export const MIN_PASSWORD = 12;
export const MAX_PASSWORD = 200;

/** Argon2id as OWASP recommends it: 19 MiB (in KiB) and some 20 ms for each attempt. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** User enumeration: verified for unknown accounts, so that they take as long as known ones. */
const DUMMY_HASH = hash(randomBytes(16), COST);

/**
 * Deletes all invites of a developer, in one statement, so that one of two parallel uses succeeds. A link
 * that is older than the password would be a way around it.
 *
 * $1 user id, $2 hash of the invite that must still be valid, or null: none has to
 */
const END_INVITES = `
  DELETE FROM invites
  WHERE user_id = $1
    AND ($2::bytea IS NULL OR EXISTS (SELECT FROM invites WHERE hash = $2 AND expires_at > clock_timestamp()))
  RETURNING hash`;

/** Passwords of developers, and the invite links with which they choose them. */
@Injectable()
export class PasswordsService {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(Password) private readonly passwords: Repository<Password>,
    @InjectRepository(Invite) private readonly invites: Repository<Invite>,
    private readonly developers: DevelopersService,
  ) {}

  /** Is this the password of the developer? Takes the same time for unknown developers. */
  async verify(developerId: string, password: string): Promise<boolean> {
    const found = isText(developerId, 1, 255)
      ? await this.passwords.findOneBy({ developer: { developerId } })
      : null;
    const isRight = await verify(found?.hash ?? (await DUMMY_HASH), password);
    return isRight && found !== null;
  }

  /** Creates the developer if unknown. */
  async set(caller: Caller, developerId: string, password: string): Promise<void> {
    const developer = await this.developers.findOrCreate(developerId);
    await this.save(caller, developer, password);
  }

  /** Creates the developer if unknown. @returns a link that works once */
  async invite(
    caller: Caller,
    developerId: string,
    expiresInSeconds: number,
  ): Promise<{ url: string; expiresAt: Date }> {
    const developer = await this.developers.findOrCreate(developerId);
    const token = randomBytes(32).toString('base64url');
    const expiresAt = new Date(Date.now() + expiresInSeconds * 1_000);
    await this.dataSource.transaction(async (manager) => {
      await lockDeveloper(manager, developer);
      await manager.insert(Invite, { hash: hashSecret(token), developer, expiresAt });
      await audit(manager, caller, { action: 'password.invited', developerId });
    });
    // The token is in the query of the URL, which the request log omits.
    return { url: `${config.PUBLIC_URL}/oauth/invite?token=${token}`, expiresAt };
  }

  /** The developer of an invite link; undefined: the link is unknown, used or expired. */
  async findInvited(token: string): Promise<DeveloperIdentity | undefined> {
    const invite = await this.invites.findOne({
      relations: { developer: true },
      where: { hash: hashSecret(token), expiresAt: MoreThan(new Date()) },
    });
    return invite?.developer;
  }

  /** Sets the password by an invite link. @returns false: the link is unknown, used or expired */
  async accept(token: string, password: string): Promise<boolean> {
    const developer = await this.findInvited(token);
    return developer !== undefined && this.save(undefined, developer, password, hashSecret(token));
  }

  /**
   * Saves the password, and ends the developer's invites and login sessions.
   *
   * @param caller undefined: the developer, with an invite
   * @param invite hash of the invite that is used, if one is
   * @returns false: that invite was used meanwhile, or has expired
   */
  private async save(
    caller: Caller | undefined,
    { userId, developerId }: DeveloperIdentity,
    password: string,
    invite: Buffer | null = null,
  ): Promise<boolean> {
    // Before the transaction: hashing takes some 20 ms.
    const hashed = await hash(password, COST);
    return this.dataSource.transaction(async (manager) => {
      await lockDeveloper(manager, { userId, developerId });
      const [ended] = await manager.query<[{ hash: Buffer }[]]>(END_INVITES, [userId, invite]);
      if (invite && !ended.some(({ hash }) => invite.equals(hash))) return false;
      const changedAt = () => 'clock_timestamp()';
      await manager.upsert(Password, { userId, hash: hashed, changedAt }, ['userId']);
      await manager.delete(OAuthState, { model: 'Session', accountId: developerId });
      const account = { kind: 'account', developerId } as const;
      const action = caller ? 'password.set' : 'password.changed';
      await audit(manager, caller ?? account, { action, developerId });
      return true;
    });
  }
}
