import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { isIPv6 } from 'node:net';
import { hashSecret } from '../clients/secrets.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';

/** Tries without success within WINDOW, in seconds, after which there are no more. */
const PER_ACCOUNT = 10;
const PER_ADDRESS = 100;
const WINDOW = 15 * 60;

/** Counts a try before it is made, so that a hundred at once are a hundred. $1 key, $2 seconds */
const COUNT = `
  INSERT INTO login_attempts AS a (key, attempts, expires_at)
  VALUES ($1, 1, clock_timestamp() + make_interval(secs => $2))
  ON CONFLICT (key) DO UPDATE SET
    attempts = CASE WHEN a.expires_at > clock_timestamp() THEN a.attempts + 1 ELSE 1 END,
    expires_at = CASE WHEN a.expires_at > clock_timestamp() THEN a.expires_at ELSE excluded.expires_at END
  RETURNING attempts, ceil(extract(epoch FROM expires_at - clock_timestamp()))::int AS seconds`;

const UNCOUNT = `UPDATE login_attempts SET attempts = greatest(attempts - 1, 0) WHERE key = $1`;

const FORGET = `DELETE FROM login_attempts WHERE key = $1`;

/** Slows down who guesses passwords: counted in the database, for all processes together. */
@Injectable()
export class ThrottleService {
  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  /** @returns seconds to wait before the next try; 0: try now */
  async begin(account: string, address: string): Promise<number> {
    return Math.max(
      await this.count(ofAddress(address), PER_ADDRESS),
      await this.count(ofAccount(account), PER_ACCOUNT),
    );
  }

  /** The try that was begun is none that counts. */
  async succeed(account: string, address: string): Promise<void> {
    await this.dataSource.execute(FORGET, [ofAccount(account)]);
    await this.dataSource.execute(UNCOUNT, [ofAddress(address)]);
  }

  private async count(key: Buffer, limit: number): Promise<number> {
    const [{ attempts, seconds }] = await this.dataSource.execute<{ attempts: number; seconds: number }>(
      COUNT,
      [key, WINDOW],
    );
    return attempts > limit ? Math.max(seconds, 1) : 0;
  }
}

const ofAccount = (developerId: string) => hashSecret(`account ${developerId}`);

const ofAddress = (address: string) => hashSecret(`address ${networkOf(address)}`);

/** Who has one IPv6 address has 2^64 of them: the first half is what counts. An IPv4 address is its own. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1];
  const [head, tail] = address.replace(/%.*$/, '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const zeros =
    tail === undefined ? [] : Array<string>(Math.max(8 - left.length - right.length, 0)).fill('0');
  return [...left, ...zeros, ...right]
    .slice(0, 4)
    .map((group) => parseInt(group, 16).toString(16))
    .join(':');
}
