import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { isDeepStrictEqual } from 'node:util';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { feedOf } from '../feed-clock/feed-clock.js';
import { READ_CHANGES } from '../sync-feed/read-changes.js';
import { cursorOf } from '../sync-feed/since.js';
import { ALL_ASSETS } from '../sync-feed/sync-query.js';
import type { Turn } from './dispatcher.service.js';
import { isAcknowledged, type Outcome, post } from './post.js';
import { parseRetryAfter, retryDelay } from './retry.js';
import { mayRead, withdraw } from './rights.js';
import { signatureHeaders } from './signature.js';

/** Notifications of one request. */
const MAX_NOTIFICATIONS = 100;

/** Failures in a row from which on all of an endpoint waits, and not only the developer whose changes it did not take. */
const MAX_FAILURES = 5;

/** How long an endpoint may fail. */
const PATIENCE = "interval '5 days'";

/** After so long without a failure, the next one begins a new count: attempts are at most a day apart, so none was made. */
const LONGEST_GAP = "interval '2 days'";

interface Situation {
  endpointId: string;
  url: string;
  secret: string;
  previousSecret: string | null;
  failures: number;
  announced: Date;
  scanned: Date;
  scannedAssets: string[] | null;
  endsAt: Date | null;
  attempts: number;
  mayRead: boolean;
  clock: Date;
  /** Of what is to be told now, as they were set; null: all. */
  assets: string[] | null;
  /** The pending delivery and its end; null when there is none. */
  deliveryId: string | null;
  until: Date | null;
}

/** $1 developer, $2 position, $3 lease */
const READ_SITUATION = `
  SELECT
    e.id AS "endpointId", e.url, e.secret,
    CASE WHEN e.previous_secret_expires_at > clock_timestamp() THEN e.previous_secret END AS "previousSecret",
    e.failures,
    p.announced, p.scanned, p.scanned_assets AS "scannedAssets", p.ends_at AS "endsAt", p.attempts,
    ${mayRead('e.client_id', 'p.user_id')} AS "mayRead",
    f.clock,
    CASE WHEN w.id IS NULL THEN coalesce(e.assets, c.default_assets) ELSE w.assets END AS assets,
    w.id AS "deliveryId", w.until
  FROM webhook_positions p
  JOIN webhook_endpoints e ON e.id = p.endpoint_id
  JOIN api_clients c ON c.id = e.client_id
  JOIN (${feedOf('$1')}) f ON f.user_id = p.user_id
  LEFT JOIN webhook_deliveries w ON w.id = p.delivery_id
  WHERE p.user_id = $1 AND p.id = $2 AND p.lease = $3 AND 'sync:read' = ANY (c.scopes)`;

/**
 * The endpoint is locked before its position, as by whoever deletes it.
 *
 * $1 developer, $2 position, $3 lease, $4 delivery, $5 until, $6 assets, $7 notifications, $8 endpoint
 */
const BEGIN_DELIVERY = `
  WITH endpoint AS MATERIALIZED (
    SELECT id FROM webhook_endpoints WHERE id = $8 FOR KEY SHARE
  ),
  position AS (
    UPDATE webhook_positions p SET delivery_id = $4
    FROM endpoint e
    WHERE user_id = $1 AND p.id = $2 AND lease = $3 AND delivery_id IS NULL AND endpoint_id = e.id
    RETURNING endpoint_id, announced, ends_at
  )
  INSERT INTO webhook_deliveries
    (id, endpoint_id, user_id, kind, since, until, assets, notifications, status, created_at)
  SELECT $4, endpoint_id, $1, CASE WHEN ends_at IS NULL THEN 'change' ELSE 'replay' END, announced, $5, $6, $7,
    'pending', clock_timestamp()
  FROM position
  RETURNING id`;

/**
 * Nothing up to here is left to be told. It is due again if its feed is ahead, as seen now that the position is locked.
 *
 * $1 developer, $2 position, $3 lease, $4 announced or null where nothing was, $5 scanned, $6 assets
 */
const ADVANCE = `
  UPDATE webhook_positions p
  SET announced = coalesce($4, announced), scanned = $5, scanned_assets = $6, delivery_id = NULL, attempts = 0, lease = NULL,
    due_at = CASE WHEN $5 < coalesce(ends_at, f.clock) THEN clock_timestamp() END
  FROM (${feedOf('$1')}) f
  WHERE p.user_id = $1 AND p.id = $2 AND p.lease = $3`;

/** $1 developer, $2 position */
const END_REPLAY = 'DELETE FROM webhook_positions WHERE user_id = $1 AND id = $2 AND ends_at <= scanned';

/** $1 developer, $2 position, $3 lease, $4 ms */
const POSTPONE = `
  UPDATE webhook_positions
  SET due_at = clock_timestamp() + $4 * interval '1 ms', lease = NULL, attempts = attempts + 1
  WHERE user_id = $1 AND id = $2 AND lease = $3`;

/** $1 delivery, $2 id, $3 startedAt, $4 duration in ms, $5 status, $6 error, $7 answer */
const LOG_ATTEMPT = `
  INSERT INTO webhook_attempts (delivery_id, id, started_at, duration_ms, status, error, answer)
  SELECT id, $2, $3, $4, $5, $6, $7 FROM webhook_deliveries WHERE id = $1`;

/** $1 delivery, $2 status */
const COMPLETE = 'UPDATE webhook_deliveries SET status = $2, completed_at = clock_timestamp() WHERE id = $1';

/**
 * A failure that was not known when this request began says more about the endpoint: what it asked for stays.
 *
 * $1 endpoint, $2 failures when the request began, of which there were some
 */
const NOTE_SUCCESS = `
  UPDATE webhook_endpoints SET failures = 0, failing_since = NULL, failed_at = NULL, retry_at = NULL
  WHERE id = $1 AND failures = $2`;

/**
 * Of the URL that it has now: the owner may have just mended it. Time in which nothing was sent is not time of failing.
 *
 * $1 endpoint, $2 URL, $3 ms for which nothing is sent to it; null: the others need not wait
 */
const NOTE_FAILURE = `
  UPDATE webhook_endpoints
  SET failures = failures + 1, failed_at = clock_timestamp(),
    failing_since = CASE WHEN failed_at > clock_timestamp() - ${LONGEST_GAP} THEN failing_since ELSE clock_timestamp() END,
    retry_at = greatest(retry_at, clock_timestamp() + $3 * interval '1 ms')
  WHERE id = $1 AND url = $2
  RETURNING id`;

/** $1 endpoint, $2 has it said that it is gone? */
const DISABLE = `
  UPDATE webhook_endpoints
  SET active = false, disabled_at = clock_timestamp(), disabled_reason = CASE WHEN $2 THEN 'gone' ELSE 'failing' END
  WHERE id = $1 AND active AND ($2 OR failing_since < clock_timestamp() - ${PATIENCE})
  RETURNING disabled_reason AS reason`;

/** The text of a request. No range in a test. */
export const bodyOf = (notifications: object[], range: object | null) =>
  JSON.stringify({ notifications, range });

/** What is told: a range of a feed, and to whom. */
interface Message {
  turn: Turn;
  situation: Situation;
  deliveryId: string;
  until: Date;
  body: string;
}

/** Tells an endpoint what comes next in a developer's feed, or what it has not acknowledged yet. */
@Injectable()
export class DeliveryService {
  private readonly logger = new Logger(DeliveryService.name);

  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  /** One attempt, if there is anything to tell. No connection to the database is held while it is made. */
  async deliver(turn: Turn): Promise<void> {
    const message = await this.prepare(turn);
    if (!message) return;
    const { situation, deliveryId, until, body } = message;
    const { url, endpointId } = situation;
    const outcome = await this.send(url, deliveryId, body, secretsOf(situation));
    if (isAcknowledged(outcome)) {
      // First, so that no crash leaves an endpoint that works with the date of an old failure.
      const { failures } = situation;
      if (failures > 0) await this.dataSource.execute(NOTE_SUCCESS, [endpointId, failures]);
      await this.whileLocked(turn, async (manager) => {
        await this.log(manager, deliveryId, outcome);
        if (await this.advance(manager, turn, situation, until, until))
          await manager.query(COMPLETE, [deliveryId, 'delivered']);
      });
    } else {
      const retryAfter = [429, 503].includes(outcome.status ?? 0) ? parseRetryAfter(outcome.retryAfter) : 0;
      await this.whileLocked(turn, async (manager) => {
        await this.log(manager, deliveryId, outcome);
        const delay = Math.max(retryDelay(situation.attempts + 1), retryAfter);
        await manager.query(POSTPONE, [...keyOf(turn), delay]);
      });
      await this.noteFailure(situation, outcome, retryAfter);
    }
  }

  /** Makes one request, and nothing else. */
  send(url: string, deliveryId: string, body: string, secrets: readonly string[]): Promise<Outcome> {
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': 'Tidemark-Webhooks/1',
      'Accept-Encoding': 'identity',
      ...signatureHeaders(deliveryId, body, secrets),
    };
    return post(url, headers, body, config.WEBHOOK_ALLOW_PRIVATE);
  }

  async log(manager: EntityManager, deliveryId: string, outcome: Outcome): Promise<void> {
    const { startedAt, durationMs, status, error, answer } = outcome;
    await manager.query(LOG_ATTEMPT, [deliveryId, uuidv7(), startedAt, durationMs, status, error, answer]);
  }

  /**
   * What is to be sent, written down before it is sent for the first time: a process that dies leaves the same range under
   * the same id to the next one.
   *
   * @returns undefined when there is nothing, or it is not our turn any more
   */
  private async prepare(turn: Turn): Promise<Message | undefined> {
    // One snapshot: nothing is read for whom the developer does not let read it.
    const found = await this.dataSource.transactionWithFirstStatement(
      'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ',
      (manager) => this.read(manager, turn),
    );
    if (!found) return undefined;
    const { situation, until, notifications } = found;
    if (!situation.mayRead) {
      await this.dataSource.execute(withdraw('user_id = $1 AND id = $2 AND lease = $3'), keyOf(turn));
      return undefined;
    }
    if (situation.deliveryId === null && notifications.length === 0) {
      await this.whileLocked(turn, (manager) => this.advance(manager, turn, situation, null, until));
      return undefined;
    }
    const deliveryId = situation.deliveryId ?? uuidv7();
    if (situation.deliveryId === null) {
      const begun = await this.dataSource.execute(BEGIN_DELIVERY, [
        ...keyOf(turn),
        deliveryId,
        until,
        situation.assets,
        notifications.length,
        situation.endpointId,
      ]);
      if (begun.length === 0) return undefined;
    }
    const user_id = turn.userId;
    const range = { user_id, since: cursorOf(situation.announced), until: cursorOf(until) };
    const body = bodyOf(
      notifications.map((notification) => ({ user_id, ...notification })),
      range,
    );
    return { turn, situation, deliveryId, until, body };
  }

  private async read(
    manager: EntityManager,
    turn: Turn,
  ): Promise<{ situation: Situation; until: Date; notifications: object[] } | undefined> {
    const [found] = await manager.query<Situation[]>(READ_SITUATION, keyOf(turn));
    if (!found) return undefined;
    const situation = { ...found, assets: found.assets && filterOf(found.assets) };
    const { announced, scanned, scannedAssets, assets, endsAt, clock } = situation;
    const end = situation.until ?? (endsAt && endsAt < clock ? endsAt : clock);
    if (!situation.mayRead) return { situation, until: end, notifications: [] };
    const [chunk] = await manager.query<{ items: string | null; last: Date; hasMore: boolean }[]>(
      READ_CHANGES,
      [
        turn.userId,
        // What was found to be of no interest may be of interest now.
        isDeepStrictEqual(assets, scannedAssets) ? scanned : announced,
        assets,
        MAX_NOTIFICATIONS,
        end,
        JSON.stringify(config.PUBLIC_URL).slice(1, -1),
      ],
    );
    return {
      situation,
      until: chunk.hasMore ? chunk.last : end,
      notifications: JSON.parse(`[${chunk.items ?? ''}]`) as object[],
    };
  }

  /** @returns was it still our turn? */
  private async advance(
    manager: EntityManager,
    turn: Turn,
    { assets }: Situation,
    announced: Date | null,
    scanned: Date,
  ): Promise<boolean> {
    const [, count] = await manager.query<[unknown, number]>(ADVANCE, [
      ...keyOf(turn),
      announced,
      scanned,
      assets,
    ]);
    await manager.query(END_REPLAY, [turn.userId, turn.id]);
    return count > 0;
  }

  /** A transaction that holds the position before it looks at the clock: whoever wakes it up comes before or after. */
  private whileLocked<T>({ userId, id }: Turn, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    const lock = `SELECT FROM webhook_positions WHERE user_id = ${userId} AND id = '${id}' FOR UPDATE`;
    return this.dataSource.transactionWithFirstStatement(lock, work);
  }

  private async noteFailure(
    { endpointId, url, failures }: Situation,
    { status }: Outcome,
    retryAfter: number,
  ): Promise<void> {
    const backoff = failures + 1 >= MAX_FAILURES ? retryDelay(failures + 1) : 0;
    const wait = Math.max(backoff, retryAfter) || null;
    const noted = await this.dataSource.execute(NOTE_FAILURE, [endpointId, url, wait]);
    if (noted.length === 0) return;
    const [disabled] = await this.dataSource.execute<{ reason: string }>(DISABLE, [
      endpointId,
      status === 410,
    ]);
    if (disabled) this.logger.warn({ endpointId, ...disabled }, 'a webhook endpoint is disabled');
  }
}

const keyOf = ({ userId, id, lease }: Turn) => [userId, id, lease];

/** What the feed is asked for. */
const filterOf = (assets: readonly string[]) =>
  assets.includes(ALL_ASSETS) ? null : assets.map((asset) => asset.toLowerCase());

const secretsOf = ({ secret, previousSecret }: Pick<Situation, 'secret' | 'previousSecret'>) =>
  previousSecret === null ? [secret] : [secret, previousSecret];
