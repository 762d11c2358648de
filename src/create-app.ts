import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import dataSource from '../ormconfig.js';
import { AdmissionInterceptor } from './access/admission.interceptor.js';
import { RequestBodyInterceptor } from './access/request-body.interceptor.js';
import { CLIENT_SCOPES } from './access/scopes.js';
import { RequestValidationPipe } from './api/validation.pipe.js';
import { AppModule } from './app.module.js';
import { config } from './config.js';
import { reseal } from './database/sealed-column.js';
import { ApiErrorFilter } from './http/api-error.filter.js';
import { addHooks, createAdapter } from './http/fastify.js';
import { mountHome } from './http/home.js';
import { logger, NestLogger } from './http/logger.js';
import { DOCS_CLIENT, docsRedirectUri } from './oauth/docs-client.js';
import { mountOAuth } from './oauth/routes.js';
import { createOpenApiDocument } from './openapi.js';

/** The whole application, connected and migrated, not yet listening. The server and the tests share it. */
export async function createApp(): Promise<NestFastifyApplication> {
  await dataSource.initialize();
  await dataSource.migrate();
  await dataSource.withStartupLock(async () => {
    if (!(await reseal(dataSource)))
      logger.warn('signing keys and webhook secrets are stored in clear: SECRETS_KEY has no key for them');
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, createAdapter(), {
    logger: new NestLogger(),
    bodyParser: false,
    // Errors of the start are thrown to main.ts, and to tests.
    abortOnError: false,
  });
  addHooks(app.getHttpAdapter().getInstance());
  app.useGlobalInterceptors(new RequestBodyInterceptor(), new AdmissionInterceptor());
  app.useGlobalPipes(new RequestValidationPipe());
  app.useGlobalFilters(new ApiErrorFilter());
  SwaggerModule.setup('docs', app, () => createOpenApiDocument(app), {
    jsonDocumentUrl: 'docs-json',
    yamlDocumentUrl: 'docs-yaml',
    customSiteTitle: `${config.SERVICE_NAME} API`,
    swaggerOptions: {
      // An admin key in the storage of a browser would stay there.
      persistAuthorization: false,
      initOAuth: {
        clientId: DOCS_CLIENT,
        usePkceWithAuthorizationCodeGrant: true,
        scopes: [...CLIENT_SCOPES],
      },
      oauth2RedirectUrl: docsRedirectUri(),
    },
  });
  mountHome(app.getHttpAdapter().getInstance());
  mountOAuth(app);
  await app.init();
  dataSource.watch();
  return app;
}
