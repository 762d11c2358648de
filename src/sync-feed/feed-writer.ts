import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { FeedClock, tickOf } from '../feed-clock/feed-clock.js';
import { FeedWakeUps } from '../live/feed-wake-ups.js';
import { SIZE_CHANGE } from '../records/library-size.js';
import { changeCommitted } from '../signals/signals.js';
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

/** What `library_sizes` counts of a record. `bytes` is null: it is deleted. */
export interface StoredSize {
  resourceType: string;
  status: string;
  bytes: number | null;
}

interface Appended {
  datetime: Date;
  itemId: string;
  /** Names of the hooks that have returned a row. */
  hooks: string[];
}

const LIBRARY_SIZE = `,
  library_size AS (${SIZE_CHANGE})`;

/** A statement of another room, in that of each change. */
interface Hook {
  /** Of its CTE: unique. */
  name: string;
  /**
   * SQL: one data-modifying statement with RETURNING; `$1` is the user id of the feed. Every write waits for its
   * locks: insert, do not update.
   */
  sql: string;
  /** A wake-up: runs after the commit of a change for which the statement has returned a row. */
  afterCommit: () => void;
}

/** The only writer of `change_events`. */
@Injectable()
export class FeedWriter {
  private readonly hooks: Hook[] = [];
  private statement = appendStatement([]);
  private recordStatement = appendStatement([], LIBRARY_SIZE);

  constructor(
    private readonly feedClock: FeedClock,
    private readonly wakeUps: FeedWakeUps,
  ) {}

  /**
   * Hook for rooms that must act in the transaction of a change, without a round trip of their own. Call it at
   * start, before the first change. This room does not know its callers.
   */
  alsoRun(hook: Hook): void {
    this.hooks.push(hook);
    this.statement = appendStatement(this.hooks);
    this.recordStatement = appendStatement(this.hooks, LIBRARY_SIZE);
  }

  /**
   * Takes the next tick of a feed and writes a change with it.
   *
   * @param manager of the transaction of the change, which holds the lock of the feed
   * @param record of a change of a record: what is stored of it from now on
   * @returns the tick, and the id of the item
   */
  async append(
    manager: EntityManager,
    change: Change,
    record?: StoredSize,
  ): Promise<{ datetime: Date; itemId: number }> {
    const { userId, action, itemType, asset, itemId, itemUserId, collectionId } = change;
    const values = [userId, action, itemType, asset, itemId ?? null, itemUserId, collectionId ?? null];
    if (record) values.push(record.resourceType, record.status, record.bytes);
    const sql = record ? this.recordStatement : this.statement;
    const [event] = await manager.query<Appended[]>(sql, values);
    if (!event) throw new Error(`developer ${userId} has no feed`);
    this.feedClock.afterCommit(manager, () => changeCommitted.publish({ action }));
    this.wakeUps.change(manager, userId);
    for (const { name, afterCommit } of this.hooks)
      if (event.hooks.includes(name)) this.feedClock.afterCommit(manager, afterCommit, name);
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
const appendStatement = (hooks: readonly Hook[], librarySize = '') => `
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
  )${hooks.map(({ name, sql }) => `,\n  ${name} AS (${sql})`).join('')}${librarySize}
  INSERT INTO change_events
    (user_id, datetime, action, item_type, asset, item_id, item_user_id, collection_id)
  SELECT user_id, clock, $2, $3, $4, coalesce($5::bigint, nextval('item_ids')), $6, $7
  FROM tick
  RETURNING datetime, item_id AS "itemId",
    ARRAY[${hooks.map(({ name }) => `(SELECT '${name}' FROM ${name} LIMIT 1)`).join()}]::text[] AS hooks`;
