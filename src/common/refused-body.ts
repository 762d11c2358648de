import type { FastifyReply } from 'fastify';
import { finished } from 'node:stream/promises';

/**
 * To be awaited before the answer to a request whose body may have been refused before its end. Fastify then closes the
 * connection, and with it takes the answer from a client that still sends. Instead, Node reads on after the answer,
 * without keeping anything, until the end of the request or for `requestTimeout`; only where the connection has to close,
 * because the client has asked for it or the server drains, the rest is read first.
 */
export async function letBodyEnd(reply: FastifyReply): Promise<void> {
  if (!reply.hasHeader('connection')) return;
  const request = reply.request.raw;
  if (reply.raw.shouldKeepAlive && reply.server.server.listening) void reply.removeHeader('connection');
  // A client that goes away does not read the answer either.
  else if (!request.complete) await finished(request.resume()).catch(() => {});
}
