import type { EntityManager } from 'typeorm';
import { IS_NOT_REVOKED } from '../clients/api-key.entity.js';
import { FEEDS, feedOf } from '../feed-clock/feed-clock.js';
import type { JobsService } from '../jobs/jobs.service.js';
import { WEBHOOK_STARTS, type StartJob } from './wake-up.js';

const READS = `'sync:read' = ANY (scopes)`;

/**
 * SQL: may this client read this developer's feed, by a key or a grant that is live?
 *
 * @param butFor a key or a grant that does not count
 */
export const mayRead = (client: string, developer: string, butFor = `''`) => `(
  EXISTS (
    SELECT FROM api_keys
    WHERE user_id = ${developer} AND client_id = ${client} AND ${READS}
      AND ${IS_NOT_REVOKED}
      AND (expires_at IS NULL OR expires_at > clock_timestamp()) AND id::text <> ${butFor}
  ) OR EXISTS (
    SELECT FROM grants
    WHERE user_id = ${developer} AND client_id = ${client} AND ${READS} AND expires_at > clock_timestamp()
      AND id <> ${butFor}
  ))`;

/** SQL: ends positions, and what was pending at them. */
export const withdraw = (positions: string) => `
  WITH ended AS (DELETE FROM webhook_positions WHERE ${positions} RETURNING delivery_id)
  UPDATE webhook_deliveries SET status = 'withdrawn', completed_at = clock_timestamp()
  WHERE id IN (SELECT delivery_id FROM ended) AND status = 'pending'`;

/** $1 client, $2 developer, $3 the right that begins */
const END_OF_EARLIER_RIGHT = withdraw(`
  user_id = $2 AND endpoint_id IN (SELECT id FROM webhook_endpoints WHERE client_id = $1)
  AND NOT ${mayRead('$1', '$2', '$3::text')}`);

/**
 * The clock is the committed one, never the time: a change that is in flight now gets a later tick, and is announced.
 *
 * $1 client, $2 developer
 */
const START_OF_RIGHT = `
  INSERT INTO webhook_positions (user_id, id, endpoint_id, announced, scanned)
  SELECT f.user_id, gen_random_uuid(), e.id, f.clock, f.clock
  FROM webhook_endpoints e, (${feedOf('$2')}) f
  WHERE e.client_id = $1
  ON CONFLICT DO NOTHING
  RETURNING id`;

/**
 * A client gets the right to read a feed: from here on, its endpoints are told of it. Where they were before, and no other
 * right has held that up in between, they start anew.
 *
 * Whoever makes an endpoint locks its client, too, and so whichever of the two commits last sees the other.
 *
 * @param rightId of the key or the grant
 */
export async function startTelling(
  jobs: JobsService,
  manager: EntityManager,
  clientId: string,
  userId: number,
  rightId: string,
): Promise<void> {
  await manager.query('SELECT FROM api_clients WHERE id = $1 FOR KEY SHARE', [clientId]);
  // Before their positions, as whoever deletes one does.
  await manager.query('SELECT FROM webhook_endpoints WHERE client_id = $1 ORDER BY id FOR KEY SHARE', [
    clientId,
  ]);
  await manager.query(END_OF_EARLIER_RIGHT, [clientId, userId, rightId]);
  const started = await manager.query<unknown[]>(START_OF_RIGHT, [clientId, userId]);
  if (started.length > 0) await jobs.send(manager, WEBHOOK_STARTS, { userId } satisfies StartJob);
}

/**
 * The same for a new endpoint and all who let its client read.
 *
 * $1 endpoint, $2 client
 */
const START_OF_ENDPOINT = `
  INSERT INTO webhook_positions (user_id, id, endpoint_id, announced, scanned)
  SELECT f.user_id, gen_random_uuid(), $1, f.clock, f.clock
  FROM (${FEEDS}) f
  WHERE f.user_id IN (
      SELECT user_id FROM api_keys WHERE client_id = $2
      UNION
      SELECT user_id FROM grants WHERE client_id = $2
    ) AND ${mayRead('$2', 'f.user_id')}`;

/** @param manager of a transaction that has locked the client */
export async function startEndpoint(
  jobs: JobsService,
  manager: EntityManager,
  endpointId: string,
  clientId: string,
): Promise<void> {
  await manager.query(START_OF_ENDPOINT, [endpointId, clientId]);
  await jobs.send(manager, WEBHOOK_STARTS, { endpointId, after: 0 } satisfies StartJob);
}
