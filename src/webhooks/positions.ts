import type { EntityManager } from 'typeorm';
import { FEEDS, feedOf } from '../feed-clock/feed-clock.js';
import { mayRead } from './may-read.js';

/*
 * When positions begin and end, and the outbox that wakes them up.
 *
 * A position begins in the transaction that makes the right to read (a key, a grant) or the endpoint. It ends
 * when its right is found to be over: at the next delivery, or when another right begins.
 */

/**
 * Outbox: a change of a feed that an endpoint watches leaves a wake-up, in the transaction of the change.
 * Insert-only, so that no write waits for a delivery, which locks its position.
 *
 * $1 user id of the feed
 */
export const WAKE_UP = `
  INSERT INTO webhook_wake_ups (user_id)
  SELECT $1 WHERE EXISTS (SELECT FROM webhook_positions WHERE user_id = $1)
  RETURNING user_id`;

/**
 * SQL: new positions, each with a wake-up of its own.
 *
 * The clock is the committed one, never the time: a change in flight gets a later tick, and is delivered. So
 * does every change of the present history, which may have begun after the clock.
 * That change cannot see the position and leaves no wake-up, so the position does (`is_start`).
 *
 * @param positions SELECT of `user_id`, `endpoint_id` and `clock`
 */
const start = (positions: string) => `
  WITH started AS (
    INSERT INTO webhook_positions (user_id, id, endpoint_id, announced, scanned)
    SELECT user_id, gen_random_uuid(), endpoint_id, clock, clock FROM (${positions}) p
    ON CONFLICT DO NOTHING
    RETURNING user_id
  )
  INSERT INTO webhook_wake_ups (user_id, is_start) SELECT user_id, true FROM started`;

/** $1 client, $2 user id */
const START_OF_RIGHT = start(`
  SELECT f.user_id, e.id AS endpoint_id, greatest(f.clock, f.history) AS clock
  FROM webhook_endpoints e, (${feedOf('$2')}) f
  WHERE e.client_id = $1`);

/** $1 endpoint, $2 client */
const START_OF_ENDPOINT = start(`
  SELECT f.user_id, $1::uuid AS endpoint_id, greatest(f.clock, f.history) AS clock
  FROM (${FEEDS}) f
  WHERE f.user_id IN (
      SELECT user_id FROM api_keys WHERE client_id = $2
      UNION
      SELECT user_id FROM grants WHERE client_id = $2
    ) AND ${mayRead('$2', 'f.user_id')}`);

/** SQL: ends positions, and their pending deliveries. @param positions condition */
export const endPositions = (positions: string) => `
  WITH ended AS (DELETE FROM webhook_positions WHERE ${positions} RETURNING delivery_id)
  UPDATE webhook_deliveries SET status = 'withdrawn', completed_at = clock_timestamp()
  WHERE id IN (SELECT delivery_id FROM ended) AND status = 'pending'`;

/** $1 client, $2 user id, $3 the key or grant that begins */
const END_OF_EARLIER_RIGHT = endPositions(`
  user_id = $2 AND endpoint_id IN (SELECT id FROM webhook_endpoints WHERE client_id = $1)
  AND NOT ${mayRead('$1', '$2', '$3::text')}`);

/**
 * A client gets the right to read a feed: positions of its endpoints begin. If the client had lost access
 * meanwhile, its old position is dropped and a new one starts at the current clock.
 *
 * Lock order: client, endpoints by id, positions, as in a deletion. The client's lock is also that of a new
 * endpoint: the later of the two commits sees the other.
 *
 * @param rightId of the key or the grant
 */
export async function startPositions(
  manager: EntityManager,
  clientId: string,
  userId: number,
  rightId: string,
): Promise<void> {
  await manager.query('SELECT FROM api_clients WHERE id = $1 FOR KEY SHARE', [clientId]);
  const endpoints = 'SELECT FROM webhook_endpoints WHERE client_id = $1 ORDER BY id FOR KEY SHARE';
  await manager.query(endpoints, [clientId]);
  await manager.query(END_OF_EARLIER_RIGHT, [clientId, userId, rightId]);
  await manager.query(START_OF_RIGHT, [clientId, userId]);
}

/**
 * A new endpoint: its positions begin, for all developers who let its client read.
 *
 * @param manager of a transaction that has locked the client
 */
export async function startEndpoint(
  manager: EntityManager,
  endpointId: string,
  clientId: string,
): Promise<void> {
  await manager.query(START_OF_ENDPOINT, [endpointId, clientId]);
}
