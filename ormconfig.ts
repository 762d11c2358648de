import type { ClientBase } from 'pg';
import { AuditLine } from './src/audit/audit-line.entity.js';
import { ApiClient } from './src/clients/api-client.entity.js';
import { ApiKey } from './src/clients/api-key.entity.js';
import { Pin } from './src/collections/pin.entity.js';
import { config } from './src/config.js';
import { PostgresClient } from './src/database/postgres-client.js';
import { Replicas } from './src/database/replicas.js';
import { TidemarkDataSource } from './src/database/tidemark-data-source.js';
import { Developer } from './src/developers/developer.entity.js';
import { ErasedFeed } from './src/feed-clock/erased-feed.entity.js';
import { Feed } from './src/feed-clock/feed.entity.js';
import { History } from './src/histories/history.entity.js';
import { Initial1700000000000 } from './src/migrations/1700000000000-initial.js';
import { Invite } from './src/oauth/invite.entity.js';
import { LoginAttempts } from './src/oauth/login-attempts.entity.js';
import { LoginOrigin } from './src/oauth/login-origin.entity.js';
import { OAuthState } from './src/oauth/oauth-state.entity.js';
import { Password } from './src/oauth/password.entity.js';
import { SyncRecord } from './src/records/record.entity.js';
import { Share } from './src/records/share.entity.js';
import { ChangeEvent } from './src/sync-feed/change-event.entity.js';
import { Grant } from './src/tokens/grant.entity.js';
import { RevokedToken } from './src/tokens/revoked-token.entity.js';
import { SigningKey } from './src/tokens/signing-key.entity.js';
import { WebhookAttempt } from './src/webhooks/webhook-attempt.entity.js';
import { WebhookDelivery } from './src/webhooks/webhook-delivery.entity.js';
import { WebhookEndpoint } from './src/webhooks/webhook-endpoint.entity.js';
import { WebhookPosition } from './src/webhooks/webhook-position.entity.js';

const isEmbedded = config.DATABASE_URL === undefined;

/**
 * The one DataSource: of the server, of the `migration:*` commands and of the tests. Importing it connects
 * nothing.
 */
const dataSource = new TidemarkDataSource(
  {
    type: 'postgres',
    ...(isEmbedded
      ? { username: 'postgres', password: 'postgres', database: 'postgres' }
      : { url: config.DATABASE_URL }),
    entities: [
      ...[History, Developer, Feed, ErasedFeed, ApiClient, ApiKey, Grant, SigningKey, RevokedToken],
      ...[OAuthState, Password, Invite, LoginAttempts, LoginOrigin],
      ...[SyncRecord, Share, ChangeEvent, Pin],
      ...[WebhookEndpoint, WebhookPosition, WebhookDelivery, WebhookAttempt],
      AuditLine,
    ],
    // Subscribers are Nest providers that register themselves: `*.subscriber.ts`.
    migrations: [Initial1700000000000],
    synchronize: false,
    // No extension is needed: ids come from the server or from an identity column.
    installExtensions: false,
    applicationName: 'tidemark',
    // ms that a request waits for a free connection before the answer 503.
    connectTimeoutMS: 8_000,
    // A lost idle connection is replaced by the pool; without a handler it would end the process.
    poolErrorHandler: () => {},
    extra: {
      // The embedded database has no statistics: planned without values, a chunk of a long feed would read
      // all of it.
      ...(isEmbedded ? {} : { Client: PostgresClient }),
      // The embedded database is one session: a second connection would share its transactions.
      max: isEmbedded ? 1 : config.DATABASE_POOL_SIZE,
      onConnect: (client: ClientBase) => {
        // As in PostgresClient, for the plain client of the embedded database.
        client.on('error', () => {});
        return dataSource.checkConnection(client);
      },
    },
  },
  isEmbedded ? config.DATA_DIR : undefined,
  new Replicas(config.DATABASE_REPLICA_URL ?? [], config.DATABASE_POOL_SIZE),
);

export default dataSource;
