import type { FastifyReply } from 'fastify';
import type { IncomingMessage } from 'node:http';

/** How long a client that said that more would come may send nothing, in ms. */
const SILENCE = 1_000;

/**
 * To be awaited before the answer to a request whose body may have been refused before its end. Fastify then closes the
 * connection, and with it takes the answer from a client that still sends. Instead, Node reads on after the answer,
 * without keeping anything, until the end of the request or for `requestTimeout`; only where the connection has to close,
 * because the client has asked for it or the server drains, the rest is read first, as long as it comes.
 */
export async function drainRequestBody(reply: FastifyReply): Promise<void> {
  if (!reply.hasHeader('connection')) return;
  const request = reply.request.raw;
  if (reply.raw.shouldKeepAlive && reply.server.server.listening) void reply.removeHeader('connection');
  else if (!request.complete) await restOf(request);
}

/** Reads as long as something comes; `requestTimeout` limits it. */
async function restOf(request: IncomingMessage): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, SILENCE);
    request.on('data', () => timer.refresh()).once('close', () => (clearTimeout(timer), resolve()));
  });
}
