import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import type { Caller, DeveloperIdentity } from '../access/caller.js';
import { audit } from '../audit/audit.js';
import { ApiKeyAuthenticator } from '../clients/api-key-authenticator.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { Developer } from '../developers/developer.entity.js';
import { DevelopersService } from '../developers/developers.service.js';
import { CHANGES_FEED, FeedClock } from '../feed-clock/feed-clock.js';
import { conflict, notFound } from '../http/api-error.js';
import { JobsService } from '../jobs/jobs.service.js';
import { SyncRecord } from '../records/record.entity.js';
import { GrantsService } from '../tokens/grants.service.js';
import {
  END_GRANTS,
  END_INVITES,
  END_LOGIN_ORIGINS,
  END_KEYS,
  END_LOGINS,
  END_PASSWORD,
  FIND_CLIENTS,
  FIND_SHARED,
  LAST_ROWS,
  RENAME_DEVELOPER,
  RENAME_FEED,
  SLICES,
} from './erasure-sql.js';

const ERASURES = 'erasures';

/** The rest of an erasure. */
interface ErasureJob {
  userId: number;
}

/** Rows of one transaction: some 50 ms. */
const SLICE = 1_000;

/** Shared records of one transaction: each takes some 5 ms. */
const SHARED_SLICE = 100;

/** Transactions of one job, some seconds in all; the next job does the rest. The lease is 30 s. */
const SLICES_OF_JOB = 20;

export const OWNS_CLIENTS = (ids: readonly string[]) =>
  conflict(`The developer owns API clients: delete them first (${ids.join(', ')}).`);

export const noDeveloper = (developerId: string) => notFound(`There is no developer ${developerId}.`);

/**
 * Erases a developer in two steps, so that the time of a transaction does not depend on the size of a library.
 *
 * 1. One transaction ends all access, and gives the developer and its feed a name that cannot be guessed. The
 *    `developerId` is free from then on: its next use makes a new developer with a new `userId` and an empty
 *    library. It also sends a job (outbox).
 * 2. The job deletes the rows in slices. It is idempotent, and is retried until nothing is left.
 */
@Injectable()
export class ErasureService implements OnApplicationBootstrap {
  private readonly logger = new Logger(ErasureService.name);

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly developers: DevelopersService,
    private readonly feedClock: FeedClock,
    private readonly jobs: JobsService,
    private readonly apiKeys: ApiKeyAuthenticator,
    private readonly grants: GrantsService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.jobs.work<ErasureJob>(ERASURES, (job) => this.eraseRest(job));
  }

  /**
   * When this returns, all access is gone: at once in this process, within 5 s in others. The rest follows.
   *
   * @throws ApiError 404, 409 if the developer owns API clients, 503 if its feed stays locked
   */
  async erase(caller: Caller, developerId: string): Promise<void> {
    // Another process may have erased it.
    this.developers.forget(developerId);
    const developer = await this.developers.find(developerId);
    if (!developer) throw noDeveloper(developerId);
    const { keys, grants } = await this.feedClock.withFeedLock(developer, async (manager) => {
      const ended = await this.endAccess(manager, developer);
      await audit(manager, caller, { action: 'developer.erased', developerId });
      await this.jobs.send(manager, ERASURES, { userId: developer.userId } satisfies ErasureJob);
      return ended;
    });
    this.developers.forget(developerId);
    for (const { hash } of keys) this.apiKeys.forget(hash);
    for (const { id } of grants) this.grants.forget(id);
  }

  /** @throws ApiError 409 */
  private async endAccess(manager: EntityManager, { userId, developerId }: DeveloperIdentity) {
    // Lock order: this locks the developer first. A key or a grant that is being made is either seen below, or
    // finds the developer gone (`lockDeveloper`).
    const name = `erased:${randomUUID()}`;
    await manager.query(RENAME_DEVELOPER, [userId, name]);
    const clients = await manager.query<{ id: string }[]>(FIND_CLIENTS, [userId]);
    if (clients.length > 0) throw OWNS_CLIENTS(clients.map(({ id }) => id));
    await manager.query(RENAME_FEED, [userId, name]);
    const [keys] = await manager.query<[{ hash: Buffer }[]]>(END_KEYS, [userId]);
    const [grants] = await manager.query<[{ id: string }[]]>(END_GRANTS, [userId]);
    await manager.query(END_PASSWORD, [userId]);
    await manager.query(END_LOGIN_ORIGINS, [userId]);
    await manager.query(END_INVITES, [userId]);
    await manager.query(END_LOGINS, [developerId]);
    return { keys, grants };
  }

  private async eraseRest({ userId }: ErasureJob): Promise<void> {
    const developer = await this.dataSource.manager.findOneBy(Developer, { userId });
    // The job has run before: it was repeated after a crash.
    if (!developer) return;
    for (let slice = 0; slice < SLICES_OF_JOB; slice++) {
      if (!(await this.eraseSlice(developer))) continue;
      this.logger.log({ userId }, 'a developer is erased');
      return;
    }
    await this.jobs.sendNow(ERASURES, { userId } satisfies ErasureJob);
  }

  /** @returns whether nothing is left */
  private eraseSlice(developer: DeveloperIdentity): Promise<boolean> {
    const { userId } = developer;
    return this.feedClock.withFeedLock(developer, async (manager) => {
      const shared = await manager.query<{ itemId: number }[]>(FIND_SHARED, [userId, SHARED_SLICE]);
      for (const { itemId } of shared) await removeShared(manager, userId, itemId);
      if (shared.length === SHARED_SLICE) return false;
      // The feed has no readers any more, so its other records go without events.
      await manager.query(`SELECT ${CHANGES_FEED}`);
      for (const sql of SLICES) {
        const [, count] = await manager.query<[unknown, number]>(sql, [userId, SLICE]);
        if (count === SLICE) return false;
      }
      for (const sql of LAST_ROWS) await manager.query(sql, [userId]);
      return true;
    });
  }
}

/** As any removal of a record: its followers get `removed` (src/collections). */
async function removeShared(manager: EntityManager, userId: number, itemId: number): Promise<void> {
  await manager.remove(SyncRecord, await manager.findOneByOrFail(SyncRecord, { userId, itemId }));
}
