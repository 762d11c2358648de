import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import dataSource from '../ormconfig.js';
import { AppModule } from './app.module.js';
import { CLIENT_SCOPES } from './access/scopes.js';
import { invalidRequest } from './http/api-error.js';
import { ApiErrorFilter, toApiError } from './http/api-error.filter.js';
import { parseJsonBody } from './http/json-body.js';
import { logger, NestLogger } from './http/logger.js';
import { createOpenApiDocument } from './openapi.js';
import { securityHeaders } from './http/security-headers.js';
import { RequestValidationPipe } from './api/validation.pipe.js';
import { config } from './config.js';
import { DOCS_CLIENT, docsRedirectUri } from './oauth/client-adapter.js';
import { mountOAuth } from './oauth/routes.js';

/** A caller's own request id is kept if it is harmless in a header and a log. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** What Node says of a request that is no good HTTP; everything else is a 400. */
const CLIENT_ERRORS: Record<string, [number, string] | undefined> = {
  HPE_HEADER_OVERFLOW: [431, 'Request header fields too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request timeout'],
};

/** The whole application, connected and migrated, not yet listening. The server and the tests share it. */
export async function createApp(): Promise<NestFastifyApplication> {
  await dataSource.initialize();
  await dataSource.migrate();
  const securityHeadersOf = securityHeaders();
  const adapter = new FastifyAdapter({
    bodyLimit: config.BODY_LIMIT,
    // In ms. Who takes longer to send a whole request is holding a connection, not using it.
    requestTimeout: 60_000,
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: ({ headers }: IncomingMessage) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    // Of whom X-Forwarded-For is believed: where a login comes from.
    trustProxy: config.TRUST_PROXY ?? false,
    // While the server drains, requests on open connections are still served; each connection then closes.
    return503OnClosing: false,
    // Node would refuse a request without Host with an empty body; the hook below does it with ours.
    http: { requireHostHeader: false },
    routerOptions: { maxParamLength: 2_000 },
    // What Fastify refuses before any route is found, and any hook runs, such as a URL with a broken escape.
    frameworkErrors: (error: unknown, { url }: FastifyRequest, reply: FastifyReply) => {
      const answer = toApiError(error);
      void reply
        .status(answer.getStatus())
        .headers({ ...securityHeadersOf(url), ...answer.headers })
        .send(answer.getResponse());
    },
    // What is no HTTP at all.
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) return;
      // In the middle of an answer, another one would be a part of it. (Node's own handler asks the same.)
      if ((socket as { _httpMessage?: { _headerSent: boolean } | null })._httpMessage?._headerSent) {
        socket.destroy(error);
        return;
      }
      const [status, reason] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'Bad request'];
      const body = JSON.stringify({ error: reason, code: 'invalid_request' });
      // Not end(): a peer that keeps its half open would keep the connection.
      socket.write(
        `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
          `Connection: close\r\n\r\n${body}`,
      );
      socket.destroySoon();
    },
  });

  const app = await NestFactory.create<NestFastifyApplication>(AppModule, adapter, {
    logger: new NestLogger(),
    bodyParser: false,
    // Errors of the start are for main.ts to tell, and for tests to see.
    abortOnError: false,
  });
  const fastify = app.getHttpAdapter().getInstance();
  // `Expect` with anything but 100-continue may be ignored (RFC 9110, section 10.1.1); Node's 417 has no body.
  fastify.server.on('checkExpectation', (request, response) =>
    fastify.server.emit('request', request, response),
  );
  // JSON alone: Fastify's own parser of text/plain would turn a 415 into a 400.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(securityHeadersOf(request.url)).header('x-request-id', request.id);
    const isHostMissing = request.headers.host === undefined && request.raw.httpVersion === '1.1';
    done(isHostMissing ? invalidRequest('The Host header is missing.') : undefined);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    logger.info(
      {
        reqId: request.id,
        method: request.method,
        // The path alone: a query may name developers.
        path: request.url.split('?', 1)[0],
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    );
    done();
  });
  app.useGlobalPipes(new RequestValidationPipe());
  app.useGlobalFilters(new ApiErrorFilter());
  SwaggerModule.setup('docs', app, () => createOpenApiDocument(app), {
    jsonDocumentUrl: 'docs-json',
    yamlDocumentUrl: 'docs-yaml',
    customSiteTitle: 'Tidemark API',
    swaggerOptions: {
      persistAuthorization: true,
      initOAuth: {
        clientId: DOCS_CLIENT,
        usePkceWithAuthorizationCodeGrant: true,
        scopes: [...CLIENT_SCOPES],
      },
      // Read when the page is first asked for: only then is PUBLIC_URL known.
      get oauth2RedirectUrl() {
        return docsRedirectUri();
      },
    },
  });
  mountOAuth(app);
  await app.init();
  return app;
}

/**
 * Starts to listen. From then on PUBLIC_URL is known, set or not.
 *
 * @returns the URL of this server on this machine
 */
export async function listen(app: NestFastifyApplication): Promise<string> {
  await app.listen(config.PORT, config.HOST);
  const { port } = app.getHttpServer().address() as AddressInfo;
  const isAnyAddress = ['0.0.0.0', '::', ''].includes(config.HOST);
  const host = isAnyAddress ? 'localhost' : config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
  const url = `http://${host}:${port}`;
  config.PUBLIC_URL ??= url;
  return url;
}
