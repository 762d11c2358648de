import { DELIVERIES, IS_DUE, MAX_REQUESTS } from './take-due.js';

/**
 * SQL, compare-and-set: reserves one of the requests to an endpoint for a test, at most one at a time. No
 * further delivery takes its place, so that the test waits only for those under way. In a transaction that
 * holds the lock of the scheduler: the limits hold for tests and deliveries together.
 *
 * Starvation: tests leave the deliveries to a healthy endpoint all requests but one. An endpoint that fails
 * takes one at a time: there, a delivery that is due goes first.
 *
 * SKIP LOCKED: the scheduler never waits for a change of the endpoint.
 *
 * $1 endpoint, $2 lease in ms
 */
export const RESERVE_TEST = `
  UPDATE webhook_endpoints SET tested_until = clock_timestamp() + $2 * interval '1 ms'
  WHERE id = (
    SELECT e.id FROM webhook_endpoints e
    JOIN api_clients c ON c.id = e.client_id
    WHERE e.id = $1 AND (tested_until IS NULL OR tested_until <= statement_timestamp())
      AND NOT (failures > 0 AND ${IS_DUE})
    FOR NO KEY UPDATE OF e SKIP LOCKED
  )
  RETURNING tested_until AS "testedUntil"`;

/** SQL: may the test of the reservation begin? $1 endpoint */
export const MAY_TEST = `
  SELECT ${DELIVERIES} < ${MAX_REQUESTS} AS "mayTest" FROM webhook_endpoints e WHERE id = $1`;
