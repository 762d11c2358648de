import type { FastifyReply } from 'fastify';
import type { IncomingMessage } from 'node:http';

/** ms without a byte after which a client that announced more is not waited for. */
const SILENCE = 1_000;

/**
 * Await it before the answer to a request whose body was not read to its end. If the connection were closed, a
 * client that still sends would lose the answer (a broken pipe). Instead, Node reads on after the answer and
 * drops the bytes, until the end of the request or for `requestTimeout`. Where the connection has to close,
 * because the client asked for it or the server drains, the rest is read first, as long as bytes arrive.
 */
export async function drainRequestBody(reply: FastifyReply): Promise<void> {
  const request = reply.request.raw;
  if (request.complete) return;
  if (reply.raw.shouldKeepAlive && reply.server.server.listening) void reply.removeHeader('connection');
  else await restOf(request);
}

async function restOf(request: IncomingMessage): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, SILENCE);
    request.on('data', () => timer.refresh()).once('close', () => (clearTimeout(timer), resolve()));
  });
}
