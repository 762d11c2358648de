import { Injectable } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { MoreThan, Repository } from 'typeorm';
import { hashSecret } from '../clients/secrets.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { networkOf } from '../http/network.js';
import { LoginAttempts } from './login-attempts.entity.js';

/** Failed attempts allowed within WINDOW. */
const PER_ACCOUNT = 10;
const PER_ADDRESS = 100;

/** In seconds, from the first attempt on. */
const WINDOW = 15 * 60;

/** Atomic counter: returns the attempts of the current window, this one included. $1 key, $2 WINDOW */
const COUNT = `
  INSERT INTO login_attempts AS a (key, attempts, expires_at)
  VALUES ($1, 1, clock_timestamp() + make_interval(secs => $2))
  ON CONFLICT (key) DO UPDATE SET
    attempts = CASE WHEN a.expires_at > clock_timestamp() THEN a.attempts + 1 ELSE 1 END,
    expires_at = CASE WHEN a.expires_at > clock_timestamp() THEN a.expires_at ELSE excluded.expires_at END
  RETURNING attempts, ceil(extract(epoch FROM expires_at - clock_timestamp()))::int AS seconds`;

/**
 * Brute force: limits the failed logins of an account, and those from an address. The counters are in the
 * database, so they hold for all processes together.
 */
@Injectable()
export class LoginThrottleService {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    @InjectRepository(LoginAttempts) private readonly attempts: Repository<LoginAttempts>,
  ) {}

  /**
   * Counts an attempt before it is made, so that parallel attempts cannot exceed the limit.
   *
   * @returns seconds until the next attempt is allowed; 0: this one is
   */
  async begin(account: string, address: string): Promise<number> {
    return Math.max(
      await this.count(addressKey(address), PER_ADDRESS),
      await this.count(accountKey(account), PER_ACCOUNT),
    );
  }

  /** A successful login resets the account and takes its own attempt off the address. */
  async succeed(account: string, address: string): Promise<void> {
    await this.attempts.delete({ key: accountKey(account) });
    await this.attempts.decrement({ key: addressKey(address), attempts: MoreThan(0) }, 'attempts', 1);
  }

  private async count(key: Buffer, limit: number): Promise<number> {
    const [{ attempts, seconds }] = await this.dataSource.execute<{ attempts: number; seconds: number }>(
      COUNT,
      [key, WINDOW],
    );
    return attempts > limit ? Math.max(seconds, 1) : 0;
  }
}

const accountKey = (developerId: string) => hashSecret(`account ${developerId}`);

const addressKey = (address: string) => hashSecret(`address ${networkOf(address)}`);
