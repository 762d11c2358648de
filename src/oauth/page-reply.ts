import type { FastifyReply, FastifyRequest } from 'fastify';
import { config } from '../config.js';
import { invalidRequest } from '../http/api-error.js';
import { sendPage } from '../http/page.js';
import { errorPage } from './pages.js';

/** Answers with 429 and Retry-After. */
export function sendTooMany(reply: FastifyReply, seconds: number, message: string): void {
  void reply.header('retry-after', String(seconds));
  sendPage(reply, 429, errorPage(message, `Try again in ${seconds} seconds.`, 'rate_limited'));
}

/**
 * CSRF: refuses forms of other sites. A second defence: the cookies of the forms are `SameSite=Lax`, so
 * browsers do not send them with such a form.
 *
 * @throws ApiError 400
 */
export function assertSameOrigin({ headers }: FastifyRequest): void {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  const own = new URL(config.PUBLIC_URL).origin;
  if ((origin !== undefined && origin !== own) || (site !== undefined && site !== 'same-origin'))
    throw invalidRequest(`The form was sent from another site. The address of this server is ${own}.`);
}
