import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type onRequestHookHandler,
} from 'fastify';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { config } from '../config.js';
import { requestRefused } from '../signals/signals.js';
import { invalidRequest } from './api-error.js';
import { toApiError } from './api-error.filter.js';
import { ConnectionLimits } from './connection-limits.js';
import { addCors, CORS_LINES, corsHeaders } from './cors.js';
import type { Authenticated } from './credential.js';
import { FairLimit } from './fair-limit.js';
import { logger } from './logger.js';
import { networkOf } from './network.js';
import { securityHeaders } from './security-headers.js';
import { whenClosed } from './when-closed.js';

/** A caller's own request id is kept if it is harmless in a header and a log. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** Answers to bytes that are not valid HTTP, by Node's error code; all others get 400. */
const CLIENT_ERRORS: Record<string, [number, string] | undefined> = {
  HPE_HEADER_OVERFLOW: [431, 'Request header fields too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request timeout'],
};

/** The HTTP server: limits, request ids, and errors that occur before any route is found. */
export function createAdapter(): FastifyAdapter {
  return new FastifyAdapter({
    // ms for a whole request. A client that takes longer holds a connection rather than uses it.
    requestTimeout: 60_000,
    // ms without a byte in either direction. ConnectionLimits cuts off a client that does not read its answer.
    connectionTimeout: 60_000,
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: ({ headers }: IncomingMessage) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    // Proxies whose X-Forwarded-For is believed: logins are throttled by address.
    trustProxy: config.TRUST_PROXY ?? false,
    // Drain: requests on open connections are still served; each connection then closes.
    return503OnClosing: false,
    // Node would refuse a request without Host with an empty body; the hook below does it with ours.
    // A connection without a complete request is cut off after 10 s.
    http: { requireHostHeader: false, headersTimeout: 10_000, connectionsCheckingInterval: 1_000 },
    routerOptions: { maxParamLength: 2_000 },
    frameworkErrors: onFrameworkError,
    clientErrorHandler: onClientError,
  });
}

/**
 * Errors that Fastify raises before a route is found and any hook runs, such as a URL with a broken escape.
 */
function onFrameworkError(error: unknown, { url, headers }: FastifyRequest, reply: FastifyReply): void {
  const answer = toApiError(error);
  requestRefused.publish({ code: answer.code });
  void reply
    .status(answer.getStatus())
    .headers({ ...securityHeaders(url), ...corsHeaders(headers.origin), ...answer.headers })
    .send(answer.getResponse());
}

/** Bytes that are not valid HTTP. */
function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  requestRefused.publish({ code: 'invalid_request' });
  // In the middle of an answer, a second one would become a part of it. (Node's own handler checks the same.)
  if ((socket as { _httpMessage?: { _headerSent: boolean } | null })._httpMessage?._headerSent) {
    socket.destroy(error);
    return;
  }
  const [status, reason] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'Bad request'];
  const body = JSON.stringify({ error: reason, code: 'invalid_request' });
  // Not end(): a peer that keeps its half open would keep the connection.
  socket.write(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
      `${CORS_LINES}Connection: close\r\n\r\n${body}`,
  );
  socket.destroySoon();
}

/** Bytes of the largest page: the OpenAPI document. */
const PAGE_BYTES = 512 * 1_024;

/**
 * DoS: the documentation needs no credential, and a client may not read its answer. 128 answers are in memory at a
 * time, 32 for one address or IPv6 /64.
 */
const pages = new FairLimit({
  name: 'page_bytes',
  total: 128 * PAGE_BYTES,
  share: 32 * PAGE_BYTES,
  maxWait: 3_000,
  problem: 'Too many pages for this address are in memory.',
});

/** For the log: the id of the API key, and of the application that the credential belongs to. */
function credentialOf({ user }: FastifyRequest & { user?: Authenticated }) {
  const { kind, id } = user?.credential ?? {};
  return { keyId: kind === 'api_key' ? id : undefined, clientId: user?.client?.id };
}

/** Connections, bodies, headers and the log line of every request. */
export function addHooks(fastify: FastifyInstance): void {
  new ConnectionLimits(fastify.server);
  // `Expect` with anything but 100-continue may be ignored (RFC 9110, section 10.1.1); Node's 417 has no
  // body.
  fastify.server.on('checkExpectation', (request, response) =>
    fastify.server.emit('request', request, response),
  );
  // JSON alone: Fastify's own parser of text/plain would turn a 415 into a 400.
  fastify.removeAllContentTypeParsers();
  // The body itself is read after authentication (src/access/request-body.interceptor.ts).
  fastify.addContentTypeParser('application/json', (_request, stream, done) => done(null, stream));
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(securityHeaders(request.url)).header('x-request-id', request.id);
    const isHostMissing = request.headers.host === undefined && request.raw.httpVersion === '1.1';
    done(isHostMissing ? invalidRequest('The Host header is missing.') : undefined);
  });
  addCors(fastify);
  const limitPage: onRequestHookHandler = (request, reply, done) => {
    pages.acquire(networkOf(request.ip), PAGE_BYTES).then(({ release }) => {
      whenClosed(reply.raw, release);
      done();
    }, done);
  };
  // Records and secrets: no cache keeps them. The feed has neither, and its own rule.
  const noStore: onRequestHookHandler = (_request, reply, done) => {
    void reply.header('cache-control', 'no-store');
    done();
  };
  // By route, not by URL: /%61pi/v1 is /api/v1, too.
  fastify.addHook('onRoute', (route) => {
    if (route.url.startsWith('/api/')) route.onRequest = noStore;
    if (route.url.startsWith('/docs')) route.onRequest = limitPage;
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    logger.info(
      {
        reqId: request.id,
        method: request.method,
        // The path alone: a query may name developers.
        path: request.url.split('?', 1)[0],
        ...credentialOf(request),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    );
    done();
  });
}
