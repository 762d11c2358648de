import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { ALL_TURNS, turns } from '../access/turns.js';
import { Field, Integer } from '../api/fields.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { feedOf } from '../feed-clock/feed-clock.js';
import { Histories } from '../histories/histories.js';
import { IS_PIN_CHANGE, IS_TOMBSTONE } from './change-event.entity.js';
import type { SyncRequest } from './sync-request.js';

/** Set hash of a library at a cursor: the order of its entries does not matter (docs/sync-feed.md). */
export class DigestBody {
  @Integer(0, Infinity, {
    description: 'Number of entries: own items, and pins. A pinned own item has two.',
    example: 3,
  })
  items: number;

  @Field({ type: String }, [], {
    description:
      'XOR of all entries. An entry is the first 16 bytes of SHA-256 of `item_id:o:tick` for an own item, ' +
      'of `item_id:p:tick` for a pin; the tick is the `datetime` of its latest change, in ms since 1970.',
    example: '80f94b6e6d36b86c56409ab898853ce4',
    pattern: '^[0-9a-f]{32}$',
  })
  xor: string;
}

/** SQL: the first 16 bytes of the hash of an entry. extract() is exact; date_part() is a float. */
const ENTRY = `
  ('x' || left(encode(sha256((
    item_id || CASE WHEN is_pin THEN ':p:' ELSE ':o:' END ||
    (extract(epoch FROM datetime) * 1000)::bigint
  )::bytea), 'hex'), 32))::bit(128)`;

/**
 * SQL: the digest of a library as of a cursor. Two parts:
 *
 * - Items and pins that exist and have not changed since: an index-only scan of the library.
 * - Items and pins that have changed since: the latest change up to the cursor, found by an index of its own.
 *   At the clock, these are only the changes that were made while the answer was written.
 *
 * Not `datetime <= cursor AND superseded_at > cursor`: it reads the history from the table, a block a change.
 *
 * $1 feed, $2 cursor, $3 assets or null for all
 */
export const READ_DIGEST = `
  SELECT f.clock, f.history, count(item_id)::int AS items, coalesce(bit_xor(${ENTRY}), 0::bit(128)) AS xor
  FROM (${feedOf('$1')}) f
  LEFT JOIN LATERAL (
    SELECT item_id, datetime, ${IS_PIN_CHANGE} AS is_pin FROM change_events
    WHERE user_id = f.user_id AND datetime <= $2 AND superseded_at = 'infinity' AND NOT (${IS_TOMBSTONE})
      AND ($3::text[] IS NULL OR asset = ANY ($3))
    UNION ALL
    SELECT item_id, datetime, is_pin
    FROM (
      SELECT DISTINCT item_id AS changed_id, ${IS_PIN_CHANGE} AS is_pin FROM change_events
      WHERE user_id = f.user_id AND datetime > $2 AND ($3::text[] IS NULL OR asset = ANY ($3))
    ) changed_since
    CROSS JOIN LATERAL (
      SELECT item_id, datetime, action FROM change_events
      WHERE user_id = f.user_id AND item_id = changed_id AND datetime <= $2 AND ${IS_PIN_CHANGE} = is_pin
      ORDER BY datetime DESC
      LIMIT 1
    ) latest
    WHERE NOT (${IS_TOMBSTONE})
  ) library ON true
  GROUP BY f.clock, f.history`;

interface DigestRow {
  clock: Date;
  history: Date;
  items: number;
  /** Binary digits. */
  xor: string;
}

/** Reads digests: from a replica, or from the primary where no replica is far enough. */
@Injectable()
export class DigestReader {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly histories: Histories,
  ) {}

  /** @param cursor of the answer, at most the clock of the feed */
  async read({ developer: { userId }, assets }: SyncRequest, cursor: Date): Promise<DigestBody> {
    const read = () =>
      this.dataSource.readFromReplica<DigestRow>(
        READ_DIGEST,
        [userId, cursor, assets],
        // A replica whose clock is at the cursor has every change up to it.
        ([found]) => found !== undefined && found.clock >= cursor && this.histories.isPresent(found.history),
      );
    const [row] = await turns.run(userId, read, ALL_TURNS);
    if (!row) throw new Error(`developer ${userId} has no feed`);
    return { items: row.items, xor: BigInt(`0b${row.xor}`).toString(16).padStart(32, '0') };
  }
}
