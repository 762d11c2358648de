import type { Client } from 'pg';
import { AuditLine } from './src/audit/audit-line.entity.js';
import { ApiClient } from './src/clients/api-client.entity.js';
import { ApiKey } from './src/clients/api-key.entity.js';
import { Pin } from './src/collections/pin.entity.js';
import { config } from './src/config.js';
import { PreparingClient, SESSION } from './src/database/preparing-client.js';
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
    connectTimeoutMS: 10_000,
    // A lost idle connection is replaced by the pool; without a handler it would end the process.
    poolErrorHandler: () => {},
    extra: {
      // The embedded database has no statistics: planned without values, a chunk of a long feed would read
      // all of it.
      ...(isEmbedded ? {} : { Client: PreparingClient, options: SESSION }),
      // The embedded database is one session: a second connection would share its transactions.
      max: isEmbedded ? 1 : config.DATABASE_POOL_SIZE,
      // ms. An abandoned transaction must not hold the lock of a feed for ever.
      idle_in_transaction_session_timeout: 30_000,
      // ms. A write that waits longer for its feed gets 503, instead of piling up.
      lock_timeout: 15_000,
      // ms. No statement of a request takes a second, but a digest of a library of millions, or a page far into
      // it, may. A statement that hangs would hold its connection for ever.
      // A migration that needs longer sets it for its own transaction (SET LOCAL).
      statement_timeout: 30_000,
      // The pool handles errors of idle connections only, and TypeORM's handler is added later: between the
      // two, a connection that PostgreSQL ends would end the process. The next statement fails anyway.
      onConnect: (client: Client) => {
        client.on('error', () => {});
        return dataSource.checkConnection(client);
      },
    },
  },
  isEmbedded ? config.DATA_DIR : undefined,
  new Replicas(config.DATABASE_REPLICA_URL ?? [], config.DATABASE_POOL_SIZE),
);

export default dataSource;
