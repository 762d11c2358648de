import { hash, verify } from '@node-rs/argon2';
import { Injectable } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { randomBytes } from 'node:crypto';
import { MoreThan, Repository } from 'typeorm';
import type { DeveloperIdentity } from '../access/caller.js';
import { DevelopersService } from '../developers/developers.service.js';
import { hashSecret } from '../clients/secrets.js';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { isText } from '../api/rules.js';
import { Invite } from './invite.entity.js';
import { Password } from './password.entity.js';

export const MIN_PASSWORD = 12;
export const MAX_PASSWORD = 200;

/** Argon2id as OWASP recommends it: 19 MiB and some 20 ms for each try, memory in KiB. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

const SAVE = `
  INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, clock_timestamp())
  ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at`;

/**
 * Whoever has chosen a password, or been given one, needs no link any more: an older one would be a way in.
 *
 * $1 developer, $2 the link without which nothing ends, or null
 */
const END_INVITES = `
  DELETE FROM invites
  WHERE user_id = $1
    AND ($2::bytea IS NULL OR EXISTS (SELECT FROM invites WHERE hash = $2 AND expires_at > clock_timestamp()))
  RETURNING hash`;

/** How developers prove at this server who they are. */
@Injectable()
export class PasswordsService {
  /** What an unknown developer's password is compared with, so that it takes as long as a known one's. */
  private readonly nobodys = hash(randomBytes(16), COST);

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(Password) private readonly passwords: Repository<Password>,
    @InjectRepository(Invite) private readonly invites: Repository<Invite>,
    private readonly developers: DevelopersService,
  ) {}

  async verify(developerId: string, password: string): Promise<boolean> {
    const found = isText(developerId, 1, 255)
      ? await this.passwords.findOneBy({ developer: { developerId } })
      : null;
    const isRight = await verify(found?.hash ?? (await this.nobodys), password);
    return isRight && found !== null;
  }

  async set(developerId: string, password: string): Promise<void> {
    const developer = await this.developers.findOrCreate(developerId);
    await this.save(developer, password);
  }

  /** @returns the link, which works once */
  async invite(developerId: string, expiresInSeconds: number): Promise<{ url: string; expiresAt: Date }> {
    const developer = await this.developers.findOrCreate(developerId);
    const token = randomBytes(32).toString('base64url');
    const expiresAt = new Date(Date.now() + expiresInSeconds * 1_000);
    await this.invites.insert({ hash: hashSecret(token), developer, expiresAt });
    // In the query, which the log leaves out.
    return { url: `${config.PUBLIC_URL}/oauth/invite?token=${token}`, expiresAt };
  }

  /** Whom a link is for; undefined: it is used, too old, or none. */
  async findInvited(token: string): Promise<DeveloperIdentity | undefined> {
    const invite = await this.invites.findOne({
      relations: { developer: true },
      where: { hash: hashSecret(token), expiresAt: MoreThan(new Date()) },
    });
    return invite?.developer;
  }

  /** @returns whether the link was still good */
  async accept(token: string, password: string): Promise<boolean> {
    const developer = await this.findInvited(token);
    return developer !== undefined && this.save(developer, password, hashSecret(token));
  }

  /** @param invite what it takes. Of two at once, one gets it. */
  private async save(
    { userId, developerId }: DeveloperIdentity,
    password: string,
    invite: Buffer | null = null,
  ): Promise<boolean> {
    // Before the transaction: it takes long.
    const hashed = await hash(password, COST);
    return this.dataSource.transaction(async (manager) => {
      const [ended] = await manager.query<[{ hash: Buffer }[]]>(END_INVITES, [userId, invite]);
      if (invite && !ended.some(({ hash }) => invite.equals(hash))) return false;
      await manager.query(SAVE, [userId, hashed]);
      await manager.query(END_LOGINS, [developerId]);
      return true;
    });
  }
}

/** Whoever knew the old password is logged in no longer. */
const END_LOGINS = `DELETE FROM oauth_states WHERE model = 'Session' AND account_id = $1`;
