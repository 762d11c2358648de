import type { EntityManager } from 'typeorm';
import type { JobsService } from '../jobs/jobs.service.js';
import type { FeedListener } from '../sync-feed/feed-writer.js';

/** "Something has changed in this feed." */
export const WEBHOOKS = 'webhooks';
export interface WakeUpJob {
  userId: number;
}

/**
 * "Here are positions that changes in flight do not know of": of one developer, or of an endpoint, from the developer after
 * this one on.
 */
export const WEBHOOK_STARTS = 'webhook-starts';
export type StartJob = { userId: number } | { endpointId: string; after: number };

/** Outbox: a change of a feed that an endpoint listens to sends a job in its transaction. */
export class WebhookWakeUp implements FeedListener {
  constructor(private readonly jobs: JobsService) {}

  wants(userId: string): string {
    return `EXISTS (SELECT FROM webhook_positions WHERE user_id = ${userId})`;
  }

  notify(manager: EntityManager, userId: number): Promise<void> {
    return this.jobs.send(manager, WEBHOOKS, { userId } satisfies WakeUpJob);
  }
}
