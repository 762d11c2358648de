import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { asCurrentRequest } from '../audit/audit.js';
import { reportError } from '../http/api-error.filter.js';
import { drainRequestBody } from '../http/drain-request-body.js';
import { networkOf } from '../http/network.js';
import { LIBRARY_POLICY, sendPage } from '../http/page.js';
import { AccountPages, type AccountRoute } from './account-pages.js';
import { AuthorizationServer } from './authorization-server.js';
import { Interactions } from './interactions.js';
import { InvitePages } from './invite-pages.js';
import { errorPageOf } from './error-words.js';
import { formOf, withForm } from './json-form.js';
import { oauthErrorOf } from './oauth-error.js';
import { answer, errors } from './oidc-provider.js';
import { sendTooMany } from './page-reply.js';
import { errorPage } from './pages.js';
import { ROUTES, USER_INFO } from './provider-configuration.js';
import { TokenBuckets } from './token-buckets.js';
import { UserInfo } from './user-info.js';

/** Routes of the library that browsers show: method and path. */
const PAGES = [
  ['GET', ROUTES.authorization],
  ['GET', `${ROUTES.authorization}/:uid`],
  ['GET', ROUTES.end_session],
  ['POST', `${ROUTES.end_session}/confirm`],
  ['GET', `${ROUTES.end_session}/success`],
] as const;

/** Routes of the library that applications call. */
const ENDPOINTS = [
  ['POST', ROUTES.token],
  ['GET', ROUTES.jwks],
  ['POST', ROUTES.revocation],
  ['POST', ROUTES.introspection],
  ['GET', '/.well-known/oauth-authorization-server'],
  ['GET', '/.well-known/openid-configuration'],
] as const;

type Form = { Body?: URLSearchParams };
type InteractionForm = Form & { Params: { uid: string } };

const INTERACTION = '/oauth/interaction/:uid';
const ACCOUNT = '/oauth/account';

/**
 * DoS: responses of the library's pages that store state, from a network. A login has three. So 200 logins at
 * once from an office behind one address, and another one every 3 s.
 */
const BURST = 600;
const PER_SECOND = 1;

/** Bytes of a form. */
const FORM_LIMIT = 16_384;

/**
 * Mounts the authorization server beside the API, as plain Fastify routes: they take forms, which no other
 * route does. The library's routes are listed one by one, so that every other path and method answers 404
 * like the rest of the API.
 */
export function mountOAuth(app: NestFastifyApplication): void {
  const server = app.get(AuthorizationServer);
  const interactions = app.get(Interactions);
  const invites = app.get(InvitePages);
  const account = app.get(AccountPages);
  const userInfo = app.get(UserInfo);
  const fastify = app.getHttpAdapter().getInstance();

  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The library reads the body itself.
    scope.addContentTypeParser('*', (_request, _body, done) => done(null));
    scope.setErrorHandler(sendErrorPage);
    scope.options('/oauth/*', { config: { cors: false } }, (_request, reply) => reply.callNotFound());
    const buckets = new TokenBuckets(BURST, PER_SECOND);
    for (const [method, url] of PAGES) {
      scope.route({
        method,
        url,
        config: { cors: false },
        handler: async (request, reply) => {
          const network = networkOf(request.ip);
          const seconds = buckets.take(network);
          if (seconds > 0) return sendTooMany(reply, seconds, 'Too many logins were begun in your network.');
          await callLibrary(server, request, reply);
          // State belongs to a cookie.
          if (!reply.raw.hasHeader('set-cookie')) buckets.putBack(network);
        },
      });
    }
    scope.addContentTypeParser(
      'application/json',
      { parseAs: 'string', bodyLimit: FORM_LIMIT },
      (_request, body, done) => done(null, formOf(body as string)),
    );
    for (const [method, url] of ENDPOINTS) {
      // Of these, pages of other origins may call all (src/http/cors.ts), and no other route of /oauth.
      scope.options(url, (_request, reply) => reply.callNotFound());
      scope.route({
        method,
        url,
        errorHandler: (error, request, reply) => void sendErrorJson(error, request, reply),
        handler: (request, reply) => {
          // Errors are JSON (RFC 6749, section 5.2). The library would answer with a page to a client that
          // prefers HTML, and some HTTP libraries send such a header by default.
          request.raw.headers.accept = 'application/json';
          const { body } = request;
          return callLibrary(
            server,
            request,
            reply,
            typeof body === 'string' ? withForm(request.raw, body) : undefined,
          );
        },
      });
    }
    scope.options(USER_INFO, (_request, reply) => reply.callNotFound());
    scope.route({
      method: ['GET', 'POST'],
      url: USER_INFO,
      errorHandler: (error, request, reply) => void sendErrorJson(error, request, reply),
      handler: (request, reply) => userInfo.answer(request, reply),
    });
  });

  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: FORM_LIMIT },
      (_request, body, done) => done(null, new URLSearchParams(body as string)),
    );
    scope.setErrorHandler(sendErrorPage);
    const page = { config: { cors: false } };
    scope.get<InteractionForm>(INTERACTION, page, (request, reply) => interactions.show(request, reply));
    scope.post<InteractionForm>(INTERACTION, page, (request, reply) =>
      asCurrentRequest(request, () => interactions.submit(request, reply)),
    );
    scope.get('/oauth/invite', page, (request, reply) => invites.show(request, reply));
    scope.post<Form>('/oauth/invite', page, (request, reply) =>
      asCurrentRequest(request, () => invites.submit(request, reply)),
    );
    scope.get<AccountRoute>(ACCOUNT, page, (request, reply) => account.show(request, reply));
    scope.post<AccountRoute>(ACCOUNT, page, (request, reply) =>
      asCurrentRequest(request, () => account.submit(request, reply)),
    );
  });
}

/**
 * Lets the library answer, with the headers that every response has.
 *
 * @param raw the request as the library gets it
 */
async function callLibrary(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  raw = request.raw,
): Promise<void> {
  // Before hijack(): if it fails, the error handlers can still answer.
  const provider = await server.current();
  reply.hijack();
  for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value!);
  reply.raw.setHeader('content-security-policy', LIBRARY_POLICY);
  // Graceful shutdown: a server that has stopped to listen closes its connections.
  if (!reply.server.server.listening) reply.raw.setHeader('connection', 'close');
  await asCurrentRequest(request, () => answer(provider, raw, reply.raw));
  // The library stops reading a body that is too large. Discard the rest, or the connection would hang.
  request.raw.resume();
}

/** An error of a route that applications call, in the shape of the library's errors. */
async function sendErrorJson(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const answer = reportError(error, request.id);
  await drainRequestBody(reply);
  void reply
    .status(answer.getStatus())
    .headers({ ...answer.headers, 'content-type': 'application/json; charset=utf-8' })
    .send(oauthErrorOf(answer));
}

/** An error of a page, as a page. */
async function sendErrorPage(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  await drainRequestBody(reply);
  if (error instanceof errors.OIDCProviderError && error.expose)
    return sendPage(reply, error.status, errorPageOf(error));
  const answer = reportError(error, request.id);
  void reply.headers(answer.headers);
  sendPage(reply, answer.getStatus(), errorPage(answer.details ?? answer.message, undefined, answer.code));
}
