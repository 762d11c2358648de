import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomBytes } from 'node:crypto';
import { isText } from '../api/rules.js';
import { hashSecret } from '../clients/secrets.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { networkOf } from '../http/network.js';
import { TokenCookie } from './cookies.js';

/** Seconds since the last login: 90 days. */
const LIFETIME = 90 * 86_400;

/** Devices and networks of one developer; the latest ones count. */
const PER_DEVELOPER = 100;

const COOKIE = new TokenCookie('tidemark_device');

/** $1 developerId, $2 hashes */
const FIND = `
  SELECT hash FROM login_origins JOIN developers USING (user_id)
  WHERE developer_id = $1 AND hash = ANY($2) AND expires_at > clock_timestamp()`;

/** Compare-and-set: no row if the password has changed. $1 developerId, $2 hashes, $3 LIFETIME, $4 version */
const REMEMBER = `
  INSERT INTO login_origins (user_id, hash, expires_at)
  SELECT user_id, origin, clock_timestamp() + make_interval(secs => $3)
  FROM developers JOIN passwords USING (user_id), unnest($2::bytea[]) AS origin
  WHERE developer_id = $1 AND sha256(convert_to(hash, 'UTF8')) = $4
  ON CONFLICT (user_id, hash) DO UPDATE SET expires_at = excluded.expires_at`;

/** $1 developerId, $2 PER_DEVELOPER */
const PRUNE = `
  DELETE FROM login_origins WHERE (user_id, hash) IN (
    SELECT user_id, hash FROM login_origins JOIN developers USING (user_id)
    WHERE developer_id = $1 ORDER BY expires_at DESC, hash OFFSET $2)`;

/** The device and the network that a request comes from. */
export interface Origin {
  /** Hash of the device cookie; undefined: there is none. */
  device: Buffer | undefined;
  network: string;
}

/**
 * Device cookies (OWASP) and known networks: where a developer has logged in, attempts from elsewhere delay
 * no login. The cookie is a random token, of which the database has the hash.
 */
@Injectable()
export class LoginOrigins {
  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  of(request: FastifyRequest): Origin {
    const token = COOKIE.of(request);
    return { device: token === undefined ? undefined : hashSecret(token), network: networkOf(request.ip) };
  }

  /** Has the developer logged in from this device, and from this network? */
  async find(
    developerId: string,
    { device, network }: Origin,
  ): Promise<{ isDevice: boolean; isNetwork: boolean }> {
    if (!isText(developerId, 1, 255)) return { isDevice: false, isNetwork: false };
    const hashes = [networkHash(network), ...(device ? [device] : [])];
    const found = await this.dataSource.execute<{ hash: Buffer }>(FIND, [developerId, hashes]);
    const isKnown = (hash: Buffer | undefined) => found.some((row) => hash?.equals(row.hash));
    return { isDevice: isKnown(device), isNetwork: isKnown(hashes[0]) };
  }

  /**
   * After a successful login: remembers the network and the device, and gives the browser its cookie.
   *
   * Session fixation: a browser gets a new token unless this developer already logs in with the one it has.
   *
   * @param version of the password (PasswordsService)
   */
  async remember(
    developerId: string,
    version: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const origin = this.of(request);
    const { isDevice } = await this.find(developerId, origin);
    const token = isDevice ? COOKIE.of(request)! : randomBytes(32).toString('base64url');
    const hashes = [hashSecret(token), networkHash(origin.network)];
    const values = [developerId, hashes, LIFETIME, Buffer.from(version, 'base64url')];
    await this.dataSource.execute(REMEMBER, values);
    await this.dataSource.execute(PRUNE, [developerId, PER_DEVELOPER]);
    COOKIE.set(reply, token, LIFETIME);
  }
}

const networkHash = (network: string) => hashSecret(`network ${network}`);
