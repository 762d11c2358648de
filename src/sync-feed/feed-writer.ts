import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { tickOf } from '../feed-clock/feed-clock.js';
import { type Action, IS_OF_PIN } from './change-event.entity.js';

/** One change, before it has its tick. */
export interface Change {
  /** The feed that it belongs to. */
  userId: number;
  action: Action;
  itemType: string;
  asset: string;
  /** Undefined for an item that is being created. */
  itemId: number | undefined;
  /** Owner of the item. */
  itemUserId: number;
  /** Only of `added` and `removed`. */
  collectionId?: number;
}

/** Hook for rooms that must act in the transaction of a change. This room does not know its implementers. */
export interface FeedListener {
  /**
   * SQL, a condition: does this listener want the changes of a feed? Part of the statement that writes the change, so
   * that feeds without a listener save a round trip. One look at an index: every write pays for it.
   *
   * @param userId expression
   */
  wants: (userId: string) => string;

  /** Called in the transaction of the change, and only if the condition holds. */
  notify: (manager: EntityManager, userId: number) => Promise<void>;
}

/** The only writer of `change_events`. */
@Injectable()
export class FeedWriter {
  private readonly listeners: FeedListener[] = [];
  private statement = appendStatement([]);

  /** Registers a listener. Listeners run in the order of registration. Call it at start, before the first change. */
  listen(listener: FeedListener): void {
    this.listeners.push(listener);
    this.statement = appendStatement(this.listeners);
  }

  /**
   * Takes the next tick of a feed and writes a change at it.
   *
   * @param manager of the transaction that makes the change and holds the lock of the feed
   * @returns the tick, and the item's id
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
 * An item that has no id yet gets one here, under the lock of the feed, so that the ids of a library, too, follow the
 * order of commits.
 *
 * The change before it, of the same item or of the same pin, is superseded from this tick on. Snapshot: to see that
 * change, the statement must begin when the feed is locked already; a statement that waits for the lock itself has a
 * snapshot from before.
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
      WHERE user_id = $1 AND item_id = $5 AND ${IS_OF_PIN} = ($7::integer IS NOT NULL OR $1 <> $6)
      ORDER BY datetime DESC
      LIMIT 1
    )
  )
  INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id, collection_id)
  SELECT user_id, clock, $2, $3, $4, coalesce($5::bigint, nextval('item_ids')), $6, $7
  FROM tick
  RETURNING datetime, item_id AS "itemId",
    ARRAY[${listeners.map(({ wants }) => wants('change_events.user_id')).join(', ')}]::boolean[] AS wanted`;
