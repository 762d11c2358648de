import type { EntityManager } from 'typeorm';

/** Somebody who has to be told of changes when they are made, and cannot poll: outside of this folder, which does not know whom. */
export interface FeedListener {
  /** SQL: is there anybody to be told of the changes of this feed? One look at an index: every write pays for it. */
  isListening: (feed: string) => string;

  /** Called in the transaction of the change, and only if so. */
  hear: (manager: EntityManager, feedId: number) => Promise<void>;
}

let current: FeedListener | undefined;

/** To be called before the first change, as subscribers are registered. */
export function listenToFeeds(listener: FeedListener): void {
  current = listener;
}

export const feedListener = (): FeedListener | undefined => current;
