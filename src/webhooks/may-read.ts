import { IS_NOT_REVOKED } from '../clients/api-key.entity.js';

const READS = `'sync:read' = ANY (scopes)`;

/**
 * SQL, a condition: may this client read this developer's feed, by a live key or a live grant?
 *
 * @param client expression: id of the client
 * @param userId expression
 * @param exceptId expression: id of a key or grant that does not count
 */
export const mayRead = (client: string, userId: string, exceptId = `''`) => `(
  EXISTS (
    SELECT FROM api_keys
    WHERE user_id = ${userId} AND client_id = ${client} AND ${READS}
      AND ${IS_NOT_REVOKED}
      AND (expires_at IS NULL OR expires_at > clock_timestamp()) AND id::text <> ${exceptId}
  ) OR EXISTS (
    SELECT FROM grants
    WHERE user_id = ${userId} AND client_id = ${client} AND ${READS} AND expires_at > clock_timestamp()
      AND id <> ${exceptId}
  ))`;
