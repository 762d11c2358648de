import { channel } from 'node:diagnostics_channel';

/*
 * Facts for metrics, as channels of `node:diagnostics_channel`. A room publishes them and does not know who
 * counts: only `src/metrics` subscribes, and only with METRICS_PORT. Without a subscriber, a publication costs
 * one check.
 *
 * Bounded label sets: no fact has an id of a developer, client, key or endpoint, nor a URL.
 */

interface Signal<Fact> {
  publish: (fact: Fact) => void;
  /** @param listener must not throw: its error would end the process */
  subscribe: (listener: (fact: Fact) => void) => void;
}

const signal = <Fact>(name: string) => channel(`tidemark:${name}`) as unknown as Signal<Fact>;

/** A change of a feed was committed. */
export const changeCommitted = signal<{ action: string }>('change-committed');

/** A transaction has waited for the lock of its feed, in this process and in the database. */
export const feedLocked = signal<{ seconds: number }>('feed-locked');

/** A request of the feed was answered. */
export const feedRead = signal<{ isCompact: boolean; result: 'changes' | 'empty' | 'not_modified' }>(
  'feed-read',
);

/** A chunk of an answer of the feed was read: its items, and their text. */
export const chunkRead = signal<{ isCompact: boolean; count: number; items: string }>('chunk-read');

/** A request got an error, or is an answer to bytes that are not HTTP. @see ERROR_CODES */
export const requestRefused = signal<{ code: string }>('request-refused');

/** A request got 429. */
export const rateLimited = signal<{ limit: 'credential' | 'network' }>('rate-limited');

/** A request waited in vain for a place (`FairLimit`), and got 503. */
export const admissionRefused = signal<{ limit: string }>('admission-refused');

/** A connection was refused, or cut off to make room. */
export const connectionRefused = signal<{ result: 'refused' | 'evicted' }>('connection-refused');

/** A statement was sent to a replica: did it have the answer? */
export const replicaRead = signal<{ result: 'served' | 'behind' | 'unavailable' }>('replica-read');

/** A webhook was sent. @param status of the answer; null: there is no complete one */
export const webhookSent = signal<{ status: number | null; seconds: number }>('webhook-sent');

/** An endpoint was disabled because it fails. */
export const endpointDisabled = signal<{ reason: string }>('endpoint-disabled');

/** A background task has run. */
export const taskRun = signal<{ task: string; result: 'ok' | 'failed'; seconds: number }>('task-run');

/** A login was tried at the login pages. `throttled`: refused before the password was looked at. */
export const loginTried = signal<{ result: 'succeeded' | 'failed' | 'throttled' }>('login-tried');
