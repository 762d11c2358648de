import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiError } from '../http/api-error.js';
import { toApiError } from '../http/api-error.filter.js';
import { logger } from '../http/logger.js';
import { drainRequestBody } from '../http/drain-request-body.js';
import { AuthorizationServer, ROUTES } from './authorization-server.js';
import { Interactions, sendPage } from './interactions.js';
import { errors } from './oidc-provider.js';
import { errorPage, LIBRARY_POLICY } from './pages.js';

/** What the library shows to people: method and path. */
const PAGES: [string[], string][] = [
  [['GET'], ROUTES.authorization],
  [['GET'], `${ROUTES.authorization}/:uid`],
  [['GET'], ROUTES.end_session],
  [['POST'], `${ROUTES.end_session}/confirm`],
  [['GET'], `${ROUTES.end_session}/success`],
];

/** What the library answers to programs. */
const ENDPOINTS: [string[], string][] = [
  [['POST', 'OPTIONS'], ROUTES.token],
  [['GET', 'OPTIONS'], ROUTES.jwks],
  [['POST', 'OPTIONS'], ROUTES.revocation],
  [['POST', 'OPTIONS'], ROUTES.introspection],
  [['GET', 'OPTIONS'], '/.well-known/oauth-authorization-server'],
  [['GET', 'OPTIONS'], '/.well-known/openid-configuration'],
];

/** Bytes of a form on one of our pages. */
const FORM_LIMIT = 16_384;

/** Puts the authorization server and its pages beside the API. They take forms, which nothing else does. */
export function mountOAuth(app: NestFastifyApplication): void {
  const server = app.get(AuthorizationServer);
  const interactions = app.get(Interactions);
  const fastify = app.getHttpAdapter().getInstance();

  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The library reads the body itself.
    scope.addContentTypeParser('*', (_request, _body, done) => done(null));
    scope.setErrorHandler(onError);
    for (const [method, url] of PAGES) {
      scope.route({ method, url, handler: (request, reply) => answer(server, request, reply) });
    }
    for (const [method, url] of ENDPOINTS) {
      scope.route({
        method,
        url,
        errorHandler: (error, request, reply) => void onEndpointError(error, request, reply),
        handler: (request, reply) => {
          // JSON, also of what went wrong (RFC 6749, section 5.2): the library would have a page for who prefers HTML, as
          // some HTTP clients say by themselves.
          request.raw.headers.accept = 'application/json';
          return answer(server, request, reply);
        },
      });
    }
  });

  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: FORM_LIMIT },
      (_request, body, done) => done(null, new URLSearchParams(body as string)),
    );
    scope.setErrorHandler(onError);
    scope.get('/oauth/interaction/:uid', (request, reply) => interactions.show(request as never, reply));
    scope.post('/oauth/interaction/:uid', (request, reply) => interactions.submit(request as never, reply));
    scope.get('/oauth/invite', (request, reply) => interactions.showInvite(request, reply));
    scope.post('/oauth/invite', (request, reply) => interactions.acceptInvite(request as never, reply));
  });
}

/** Leaves the answer to the library, with the headers that every answer has. */
async function answer(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  // Known before it is too late to answer otherwise.
  await server.current();
  reply.hijack();
  for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value!);
  reply.raw.setHeader('content-security-policy', LIBRARY_POLICY);
  // A server that drains closes its connections.
  if (!reply.server.server.listening) reply.raw.setHeader('connection', 'close');
  await server.handle(request, reply.raw);
  // Of a body that is too large, the library leaves the rest where it is, and the connection would stand still.
  request.raw.resume();
}

/** Programs read it as the library says it. */
async function onEndpointError(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const answer = errorOf(error, request);
  const status = answer.getStatus();
  await drainRequestBody(reply);
  void reply
    .status(status)
    .headers({ ...answer.headers, 'content-type': 'application/json; charset=utf-8' })
    .send({
      error: status === 503 ? 'temporarily_unavailable' : status >= 500 ? 'server_error' : 'invalid_request',
      error_description: answer.details ?? answer.message,
    });
}

/** People read what went wrong, on a page. */
async function onError(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  await drainRequestBody(reply);
  if (error instanceof errors.OIDCProviderError && error.expose) {
    const text =
      error instanceof errors.SessionNotFound ? EXPIRED : (error.error_description ?? error.message);
    return sendPage(reply, error.status, errorPage(text));
  }
  const answer = errorOf(error, request);
  void reply.headers(answer.headers);
  sendPage(reply, answer.getStatus(), errorPage(answer.details ?? answer.message));
}

function errorOf(error: unknown, request: FastifyRequest): ApiError {
  const answer = toApiError(error);
  if (answer.getStatus() >= 500)
    logger.error({ err: error, reqId: request.id }, `request failed: ${answer.message}`);
  return answer;
}

const EXPIRED = 'This page has expired, or belongs to another browser.';
