import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Outcome } from './post.js';

/** $1 delivery, $2 id, $3 startedAt, $4 duration in ms, $5 status, $6 error, $7 answer */
const LOG_ATTEMPT = `
  INSERT INTO webhook_attempts (delivery_id, id, started_at, duration_ms, status, error, answer)
  SELECT id, $2, $3, $4, $5, $6, $7 FROM webhook_deliveries WHERE id = $1`;

/** Logs an attempt, unless its delivery is gone: the endpoint may have been deleted during the request. */
export async function logAttempt(
  manager: EntityManager,
  deliveryId: string,
  outcome: Outcome,
): Promise<void> {
  const { startedAt, durationMs, status, error, answer } = outcome;
  await manager.query(LOG_ATTEMPT, [deliveryId, uuidv7(), startedAt, durationMs, status, error, answer]);
}
