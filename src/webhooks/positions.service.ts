import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { clockOf, FeedClock } from '../feed-clock/feed-clock.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { forEach } from '../jobs/for-each.js';
import { JobsService } from '../jobs/jobs.service.js';
import { DispatcherService } from './dispatcher.service.js';
import { type StartJob, WEBHOOK_STARTS, WEBHOOKS, type WakeUpJob, WebhookWakeUp } from './wake-up.js';
import { FeedWriter } from '../sync-feed/feed-writer.js';

/** Developers that one job of a new endpoint looks at; for the rest it sends the next one. */
const SLICE = 200;

/**
 * Makes due what is behind its feed. That is written also where it changes nothing: who is about to write "nothing to do"
 * has the row, and is waited for.
 *
 * $1 developer
 */
const WAKE = `
  UPDATE webhook_positions
  SET due_at = coalesce(due_at, clock_timestamp())
  WHERE user_id = $1 AND ends_at IS NULL AND scanned < ${clockOf('$1')}`;

/** $1 endpoint, $2 after this developer, $3 at most so many */
const READ_DEVELOPERS = `
  SELECT user_id AS "userId" FROM webhook_positions
  WHERE endpoint_id = $1 AND user_id > $2 AND ends_at IS NULL
  ORDER BY user_id
  LIMIT $3`;

/** Turns jobs into positions that are due. A job says only where to look: what is to do follows from positions and clocks. */
@Injectable()
export class PositionsService implements OnApplicationBootstrap {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly feedClock: FeedClock,
    private readonly jobs: JobsService,
    private readonly dispatcher: DispatcherService,
    feed: FeedWriter,
  ) {
    feed.listen(new WebhookWakeUp(jobs));
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.jobs.work<WakeUpJob>(WEBHOOKS, ({ userId }) => this.wake(userId));
    await this.jobs.work<StartJob>(WEBHOOK_STARTS, (job) => this.start(job));
  }

  private async wake(userId: number): Promise<void> {
    await this.dataSource.execute(WAKE, [userId]);
    this.dispatcher.nudge();
  }

  private async start(job: StartJob): Promise<void> {
    if ('userId' in job) return this.startDeveloper(job.userId);
    const { endpointId, after } = job;
    const found = await this.dataSource.execute<{ userId: number }>(READ_DEVELOPERS, [
      endpointId,
      after,
      SLICE,
    ]);
    await forEach(found, ({ userId }) => this.startDeveloper(userId));
    if (found.length === SLICE)
      await this.jobs.sendNow(WEBHOOK_STARTS, { endpointId, after: found.at(-1)!.userId } satisfies StartJob);
  }

  /**
   * A change that was in flight when its feed got a position has not seen it, and has sent no job. It holds the lock of its
   * feed: whoever has got that lock sees the change, and all later ones see the position.
   */
  private async startDeveloper(userId: number): Promise<void> {
    await this.feedClock.withFeedLock(userId, (manager) => manager.query(WAKE, [userId]));
    this.dispatcher.nudge();
  }
}
