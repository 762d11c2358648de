import type { FastifyReply, FastifyRequest } from 'fastify';
import { config } from '../config.js';
import { errors } from './oidc-provider.js';
import { errorPage, pagePolicy } from './pages.js';

/** Answers with a page. @param formAction see `pagePolicy` */
export function sendPage(reply: FastifyReply, status: number, page: string, formAction?: string): void {
  void reply
    .status(status)
    .headers({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': pagePolicy(formAction),
      'cache-control': 'no-store',
      // Browsers then send Origin with a form, and the URL of a page to this server only.
      'referrer-policy': 'same-origin',
    })
    .send(page);
}

/** Answers with 429 and Retry-After. */
export function sendTooMany(reply: FastifyReply, seconds: number, message: string): void {
  void reply.header('retry-after', String(seconds));
  sendPage(reply, 429, errorPage(message, `Try again in ${seconds} seconds.`));
}

/**
 * CSRF: refuses forms of other sites. A second defence: the interaction cookie is `SameSite=Lax`, so browsers
 * do not send it with such a form.
 *
 * @throws InvalidRequest
 */
export function assertSameOrigin({ headers }: FastifyRequest): void {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  const isOther = origin !== undefined && origin !== new URL(config.PUBLIC_URL).origin;
  if (isOther || (site !== undefined && site !== 'same-origin')) {
    throw new errors.InvalidRequest('The form was sent from another site.');
  }
}
