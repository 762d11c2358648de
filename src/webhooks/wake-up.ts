import { sendJob } from '../jobs/boss.js';
import type { FeedListener } from '../sync-feed/feed-listener.js';

/** "Something has changed in this feed." */
export const WEBHOOKS = 'webhooks';
export interface WakeUpJob {
  feedId: number;
}

/**
 * "Here are positions that changes in flight do not know of": of one developer, or of an endpoint, from the developer after
 * this one on.
 */
export const WEBHOOK_STARTS = 'webhook-starts';
export type StartJob = { developerId: number } | { endpointId: string; after: number };

/** A change of a feed that an endpoint is told of sends a job: in its transaction, so that there is one exactly if it commits. */
export const webhookWakeUp: FeedListener = {
  isListening: (feed) => `EXISTS (SELECT FROM webhook_positions WHERE developer_id = ${feed})`,
  hear: (manager, feedId) => sendJob(manager, WEBHOOKS, { feedId } satisfies WakeUpJob),
};
