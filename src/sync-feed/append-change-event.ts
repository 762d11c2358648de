import type { EntityManager } from 'typeorm';
import { type Action, IS_OF_PIN } from './change-event.entity.js';
import { feedListener } from './feed-listener.js';

/**
 * Takes the next tick of a feed and writes a change at it, in one statement.
 *
 * The clock is the developer's row: the UPDATE holds its lock until the transaction ends, so within a feed the order
 * of ticks is the order of commits, and nobody can read a tick while an earlier one may still appear. A tick is
 * the wall clock in whole milliseconds, or 1 ms after the last tick where that is not ahead: unique, and a wall clock
 * that steps back cannot reorder anything. (clock_timestamp() and not now(): the latter is the start of the
 * transaction, long past for one that waited for the lock.)
 *
 * An item that has no id yet gets one here, so that ids of a library, too, follow the order of commits.
 *
 * The change before it, of the same item or of the same pin, is superseded from this tick on. To see it, the statement
 * has to begin when the feed is locked already: while it waits for the lock, its view of the feed grows old.
 *
 * Whether somebody has to be told is asked here as well: a round trip less for all those of whom nobody wants to hear.
 *
 * $1 feed, $2 action, $3 item type, $4 asset, $5 item id or null, $6 owner of the item, $7 collection or null
 */
const append = () => `
  WITH tick AS (
    UPDATE developers
    SET feed_clock = greatest(date_trunc('milliseconds', clock_timestamp()), feed_clock + interval '1 millisecond')
    WHERE id = $1
    RETURNING id, feed_clock
  ),
  superseded AS (
    UPDATE change_events
    SET superseded_at = feed_clock
    FROM tick
    WHERE feed_id = $1 AND datetime = (
      SELECT datetime FROM change_events
      WHERE feed_id = $1 AND item_id = $5 AND ${IS_OF_PIN} = ($7::integer IS NOT NULL OR $1 <> $6)
      ORDER BY datetime DESC
      LIMIT 1
    )
  )
  INSERT INTO change_events (feed_id, datetime, action, item_type, asset, item_id, item_user_id, collection_id)
  SELECT id, feed_clock, $2, $3, $4, coalesce($5::bigint, nextval('item_ids')), $6, $7
  FROM tick
  RETURNING datetime, item_id AS "itemId", ${feedListener()?.isListening('feed_id') ?? 'false'} AS "isHeard"`;

export interface Change {
  feedId: number;
  action: Action;
  itemType: string;
  asset: string;
  /** Undefined for an item that is being created. */
  itemId: number | undefined;
  itemUserId: number;
  /** Only of `added` and `removed`. */
  collectionId?: number;
}

/**
 * @param manager of the transaction that makes the change, in which the feed is locked
 * @returns the tick, and the item's id
 */
export async function appendChangeEvent(
  manager: EntityManager,
  change: Change,
): Promise<{ datetime: Date; itemId: number }> {
  const { feedId, action, itemType, asset, itemId, itemUserId, collectionId } = change;
  const [event] = await manager.query<{ datetime: Date; itemId: string; isHeard: boolean }[]>(append(), [
    feedId,
    action,
    itemType,
    asset,
    itemId ?? null,
    itemUserId,
    collectionId ?? null,
  ]);
  if (!event) throw new Error(`developer ${feedId} has no row`);
  if (event.isHeard) await feedListener()!.hear(manager, feedId);
  return { datetime: event.datetime, itemId: Number(event.itemId) };
}
