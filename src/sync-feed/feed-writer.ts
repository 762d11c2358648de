import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { tickOf } from '../feed-clock/feed-clock.js';
import { type Action, IS_PIN_CHANGE } from './change-event.entity.js';

/** A change that has no tick yet. */
export interface Change {
  /** The feed. */
  userId: number;
  action: Action;
  itemType: string;
  asset: string;
  /** Undefined: a new item, which gets its id from the writer. */
  itemId: number | undefined;
  /** Owner of the item. */
  itemUserId: number;
  /** Only for `added` and `removed`. */
  collectionId?: number;
}

/**
 * Hook for modules that must act in the transaction of a change. sync-feed does not know its implementers.
 */
export interface FeedListener {
  /**
   * SQL: condition on the feed for `notify`. It is a part of the statement that writes the change, so that a
   * feed without a listener saves a round trip. Every write pays for it: it must be one index lookup.
   *
   * @param userId expression
   */
  wants: (userId: string) => string;

  /** Called in the transaction of the change, if the condition holds. */
  notify: (manager: EntityManager, userId: number) => Promise<void>;
}

/** The only writer of `change_events`. */
@Injectable()
export class FeedWriter {
  private readonly listeners: FeedListener[] = [];
  private statement = appendStatement([]);

  /** Registers a listener, at start, before the first change. Listeners run in the order of registration. */
  listen(listener: FeedListener): void {
    this.listeners.push(listener);
    this.statement = appendStatement(this.listeners);
  }

  /**
   * Takes the next tick of a feed and writes a change with it.
   *
   * @param manager of the transaction of the change, which holds the lock of the feed
   * @returns the tick, and the id of the item
   */
  async append(manager: EntityManager, change: Change): Promise<{ datetime: Date; itemId: number }> {
    const { userId, action, itemType, asset, itemId, itemUserId, collectionId } = change;
    const [event] = await manager.query<{ datetime: Date; itemId: string; wanted: boolean[] }[]>(
      this.statement,
      [userId, action, itemType, asset, itemId ?? null, itemUserId, collectionId ?? null],
    );
    if (!event) throw new Error(`developer ${userId} has no feed`);
    for (const [i, listener] of this.listeners.entries())
      if (event.wanted[i]) await listener.notify(manager, userId);
    return { datetime: event.datetime, itemId: Number(event.itemId) };
  }
}

/**
 * SQL: tick and event in one statement (one round trip).
 *
 * A new item gets its id here, under the lock of the feed: the order of ids in a library is that of commits.
 *
 * The previous change of the same item or pin becomes superseded at this tick. Snapshot: the transaction must
 * hold the lock before this statement starts. A statement that waits for the lock itself has an older
 * snapshot, and may not see the previous change.
 *
 * $1 feed, $2 action, $3 item type, $4 asset, $5 item id or null, $6 owner of the item, $7 collection or null
 */
const appendStatement = (listeners: readonly FeedListener[]) => `
  WITH tick AS (${tickOf('$1')}
  ),
  superseded AS (
    UPDATE change_events
    SET superseded_at = tick.clock
    FROM tick
    WHERE change_events.user_id = $1 AND datetime = (
      SELECT datetime FROM change_events
      WHERE user_id = $1 AND item_id = $5 AND ${IS_PIN_CHANGE} = ($7::integer IS NOT NULL OR $1 <> $6)
      ORDER BY datetime DESC
      LIMIT 1
    )
  )
  INSERT INTO change_events
    (user_id, datetime, action, item_type, asset, item_id, item_user_id, collection_id)
  SELECT user_id, clock, $2, $3, $4, coalesce($5::bigint, nextval('item_ids')), $6, $7
  FROM tick
  RETURNING datetime, item_id AS "itemId",
    ARRAY[${listeners.map(({ wants }) => wants('change_events.user_id')).join(', ')}]::boolean[] AS wanted`;
