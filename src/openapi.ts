import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { CLIENT_SECRET, OAUTH_PATHS, OAUTH_SCHEMAS, OAUTH_TAG } from './oauth/openapi.js';
import { VERSION } from './version.js';
import { WebhookMessageBody, WEBHOOKS } from './webhooks/message.dto.js';

const DESCRIPTION = `
Tidemark stores JSON records for a developer and lets any client keep an **exact** copy of them by polling one URL
with one datetime.

1. \`GET /api/v1/sync.json?since=1970-01-01T00:00:00Z\` returns the whole library as a list of changes.
2. Store \`meta.rwgps_datetime\` and send it as the next \`since\`, or request \`meta.next_sync_url\` as it is.

To try it here: **Authorize** with an API key, create a record, then sync. The first start of a server shows its admin
key; \`POST /api/v1/api-keys\` makes keys of developers.

Every error has the same shape, \`{ "error": "…", "details": "…", "code": "…" }\`, and every answer an \`X-Request-Id\`
that the server's log knows too.
`;

/** Generated from the decorated DTOs and controllers; `openapi.json` is the committed copy. */
export function createOpenApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Tidemark')
    .setDescription(DESCRIPTION.trim())
    .setVersion(VERSION)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    // Relative: "Try it out" calls the server that shows the page, whatever its address.
    .addServer('/')
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'API key or JWT',
        description:
          'An API key, or a JWT of the configured issuer. `Authorization: ApiKey <key>` works too.',
      },
      'bearer',
    )
    .addOAuth2(
      {
        type: 'oauth2',
        description: 'The built-in authorization server: log in as a developer, and let this page in.',
        flows: {
          authorizationCode: {
            authorizationUrl: '/oauth/authorize',
            tokenUrl: '/oauth/token',
            refreshUrl: '/oauth/token',
            scopes: {
              'sync:read': 'Read records and feeds',
              'sync:write': 'Create, change, delete and share records',
            },
          },
        },
      },
      'oauth2',
    )
    .addBasicAuth(
      {
        type: 'http',
        scheme: 'basic',
        description: 'Id and secret of an API client, for the endpoints of OAuth.',
      },
      CLIENT_SECRET,
    )
    .addTag('Records', 'The records that services write.')
    .addTag('Sync feed', 'The changes that clients poll.')
    .addTag('Sharing and collections', 'Reading and following the records of others.')
    .addTag('Webhooks', 'Notifications of API clients about changes.')
    .addTag('API clients', 'Applications, managed by admins.')
    .addTag('API keys', 'Credentials of developers, created by admins.')
    .addTag('Developers', 'The owners of libraries.')
    .addTag('Grants', 'Permissions that developers have given to applications.')
    .addTag(OAUTH_TAG, 'The built-in authorization server: for applications.')
    .addTag('Accounts', 'Passwords and signing keys, managed by admins.')
    .addTag('Audit log', 'Changes of credentials, rights and accounts, for admins.')
    .addTag('Health', 'For operators.')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
    extraModels: [WebhookMessageBody],
  });
  // The same routes without `.json` (api/json-get.decorator.ts). Swagger numbers the ids of such a pair.
  for (const path of Object.keys(document.paths)) {
    const { get } = document.paths[`${path}.json`] ?? {};
    if (!get) continue;
    delete document.paths[path];
    get.operationId = get.operationId?.replace(/\[\d+\]$/, '');
  }
  // An empty list says that a route is public. Tools ask for a credential, or warn, where there is none.
  for (const methods of Object.values(document.paths))
    for (const operation of Object.values(methods) as { security?: unknown[] }[]) operation.security ??= [];
  Object.assign(document.paths, OAUTH_PATHS);
  Object.assign(document.components!.schemas!, OAUTH_SCHEMAS);
  return { ...document, webhooks: WEBHOOKS };
}
