import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

/** A new secret of 256 random bits, as Standard Webhooks writes it. */
export const generateSecret = () => `whsec_${randomBytes(32).toString('base64')}`;

/**
 * The headers of Standard Webhooks 1.0.
 *
 * @param secrets each signs: during a rotation, a receiver may know either
 * @param at time of this attempt: a receiver can refuse a recorded request that is replayed later
 */
export function signatureHeaders(id: string, body: string, secrets: readonly string[], at = new Date()) {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(' '),
  };
}
