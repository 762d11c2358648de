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
import { invalidRequest } from '../http/api-error.js';
import { Invite } from './invite.entity.js';
import { LoginOrigin } from './login-origin.entity.js';
import { OAuthState } from './oauth-state.entity.js';
import { isWeak } from './password-strength.js';
import { Password } from './password.entity.js';
import { TokenBuckets } from './token-buckets.js';
import { Turns } from './turns.js';

export const MIN_PASSWORD = 12;
export const MAX_PASSWORD = 200;

export const EASY =
  'The password is easy to guess: it is common, repeats itself, or is like the name of the account.';

/** Argon2id as OWASP recommends it: 19 MiB (in KiB) and some 20 ms for each attempt. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/**
 * DoS: hashes at a time, of 19 MiB each, in the thread pool of 4 that files need, too. Some 100 a second are
 * done, so the last of 200 waits for 2 s.
 */
const AT_ONCE = 2;
const WAITING = 200;

/**
 * DoS: new passwords that one developer may try on a page: 20 at once, and one every 10 s. To find out whether
 * one is weak blocks the event loop for up to 25 ms.
 */
export const newPasswordBuckets = () => new TokenBuckets(20, 0.1);

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
  private readonly turns = new Turns(AT_ONCE, WAITING);

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(Password) private readonly passwords: Repository<Password>,
    @InjectRepository(Invite) private readonly invites: Repository<Invite>,
    private readonly developers: DevelopersService,
  ) {}

  /**
   * Verifies a password. Takes the same time for unknown developers.
   *
   * @param isUrgent goes before verifications that are not
   * @returns the version of the password; undefined: it is wrong
   * @throws ApiError 503 when too many verifications wait
   */
  async verify(developerId: string, password: string, isUrgent: boolean): Promise<string | undefined> {
    const found = await this.find(developerId);
    const dummy = await DUMMY_HASH;
    const isRight = await this.turns.run(isUrgent, () => verify(found?.hash ?? dummy, password));
    return isRight && found ? versionOf(found) : undefined;
  }

  /** Names the current password of a developer: a login of an older version has ended. */
  async version(developerId: string): Promise<string | undefined> {
    const found = await this.find(developerId);
    return found && versionOf(found);
  }

  /** Creates the developer if unknown. @throws ApiError 400 when the password is weak */
  async set(caller: Caller, developerId: string, password: string): Promise<void> {
    const problem = await problemOf(developerId, password);
    if (problem !== undefined) throw invalidRequest(problem);
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

  /**
   * Sets the password by an invite link.
   *
   * @returns the version of the password; undefined: the link is unknown, used or expired
   */
  async accept(token: string, password: string): Promise<string | undefined> {
    const developer = await this.findInvited(token);
    return developer && this.save(undefined, developer, password, { invite: hashSecret(token) });
  }

  /**
   * Changes the password, for the developer who has proven the old one.
   *
   * @param version of the old password: compare-and-set
   * @returns the version of the new one; undefined: the password was changed meanwhile
   */
  change(developer: DeveloperIdentity, password: string, version: string): Promise<string | undefined> {
    return this.save(undefined, developer, password, { version });
  }

  private async find(developerId: string): Promise<Password | undefined> {
    const isId = isText(developerId, 1, 255);
    return (isId && (await this.passwords.findOneBy({ developer: { developerId } }))) || undefined;
  }

  /**
   * Saves the password, and ends the developer's invites, logins (also half-done ones) and known devices.
   *
   * @param caller undefined: the developer
   * @param proof of the developer: hash of an invite, or the version of the old password
   * @returns the version of the password; undefined: the proof does not count any more
   */
  private async save(
    caller: Caller | undefined,
    { userId, developerId }: DeveloperIdentity,
    password: string,
    { invite = null, version }: { invite?: Buffer | null; version?: string } = {},
  ): Promise<string | undefined> {
    // Before the transaction: hashing takes some 20 ms.
    const hashed = await this.turns.run(true, () => hash(password, COST));
    return this.dataSource.transaction(async (manager) => {
      await lockDeveloper(manager, { userId, developerId });
      // Compare-and-set: in all cases the first lock, so that two changes cannot deadlock.
      const old = await manager.findOne(Password, {
        where: { userId },
        lock: { mode: 'pessimistic_write' },
      });
      if (version !== undefined && (!old || versionOf(old) !== version)) return undefined;
      const [ended] = await manager.query<[{ hash: Buffer }[]]>(END_INVITES, [userId, invite]);
      if (invite && !ended.some(({ hash }) => invite.equals(hash))) return undefined;
      const changedAt = () => 'clock_timestamp()';
      await manager.upsert(Password, { userId, hash: hashed, changedAt }, ['userId']);
      // A login in flight may store its state again. It has the version of the old password (StateAdapter).
      await manager.delete(OAuthState, { accountId: developerId });
      await manager.delete(LoginOrigin, { userId });
      const account = { kind: 'account', developerId } as const;
      const action = caller ? 'password.set' : 'password.changed';
      await audit(manager, caller ?? account, { action, developerId });
      return versionOf({ hash: hashed });
    });
  }
}

/** Not the hash itself: it goes into the state of logins. */
const versionOf = ({ hash }: Pick<Password, 'hash'>) => hashSecret(hash).toString('base64url');

/** Why a developer cannot have this password; undefined: it is good. */
export async function problemOf(developerId: string, password: string): Promise<string | undefined> {
  if (!isText(password, MIN_PASSWORD, MAX_PASSWORD))
    return `The password must have ${MIN_PASSWORD} to ${MAX_PASSWORD} characters.`;
  if (await isWeak(password, [developerId])) return EASY;
  return undefined;
}
