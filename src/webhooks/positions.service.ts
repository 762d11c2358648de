import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DevelopersService } from '../auth/developers.service.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { boss } from '../jobs/boss.js';
import { forEach } from '../jobs/for-each.js';
import { JobsService } from '../jobs/jobs.service.js';
import { DispatcherService } from './dispatcher.service.js';
import { type StartJob, type WakeUpJob, WEBHOOK_STARTS, WEBHOOKS } from './wake-up.js';

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
  WHERE developer_id = $1 AND ends_at IS NULL AND scanned < (SELECT feed_clock FROM developers WHERE id = $1)`;

/** $1 endpoint, $2 after this developer, $3 at most so many */
const READ_DEVELOPERS = `
  SELECT developer_id AS "developerId" FROM webhook_positions
  WHERE endpoint_id = $1 AND developer_id > $2 AND ends_at IS NULL
  ORDER BY developer_id
  LIMIT $3`;

/** Turns jobs into positions that are due. A job says only where to look: what is to do follows from positions and clocks. */
@Injectable()
export class PositionsService implements OnApplicationBootstrap {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly developers: DevelopersService,
    private readonly jobs: JobsService,
    private readonly dispatcher: DispatcherService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.jobs.work<WakeUpJob>(WEBHOOKS, ({ feedId }) => this.wake(feedId));
    await this.jobs.work<StartJob>(WEBHOOK_STARTS, (job) => this.start(job));
  }

  private async wake(developerId: number): Promise<void> {
    await this.dataSource.read(WAKE, [developerId]);
    this.dispatcher.nudge();
  }

  private async start(job: StartJob): Promise<void> {
    if ('developerId' in job) return this.startDeveloper(job.developerId);
    const { endpointId, after } = job;
    const found = await this.dataSource.read<{ developerId: number }>(READ_DEVELOPERS, [
      endpointId,
      after,
      SLICE,
    ]);
    await forEach(found, ({ developerId }) => this.startDeveloper(developerId));
    if (found.length === SLICE)
      await boss.send(WEBHOOK_STARTS, { endpointId, after: found.at(-1)!.developerId } satisfies StartJob);
  }

  /**
   * A change that was in flight when its feed got a position has not seen it, and has sent no job. It holds the lock of its
   * feed: whoever has got that lock sees the change, and all later ones see the position.
   */
  private async startDeveloper(developerId: number): Promise<void> {
    await this.developers.exclusively(developerId, (manager) => manager.query(WAKE, [developerId]));
    this.dispatcher.nudge();
  }
}
