import type { Client } from 'pg';
import { ApiClient } from './src/auth/api-client.entity.js';
import { ApiKey } from './src/auth/api-key.entity.js';
import { Developer } from './src/auth/developer.entity.js';
import { Grant } from './src/auth/grant.entity.js';
import { RevokedToken } from './src/auth/revoked-token.entity.js';
import { ServerKey } from './src/auth/server-key.entity.js';
import {
  FollowedRecordSubscriber,
  RevokedShareSubscriber,
} from './src/collections/followed-change.subscriber.js';
import { PinChangeSubscriber } from './src/collections/pin-change.subscriber.js';
import { Pin } from './src/collections/pin.entity.js';
import { config } from './src/config.js';
import { PreparingClient, SESSION } from './src/database/preparing-client.js';
import { Replicas } from './src/database/replicas.js';
import { TidemarkDataSource } from './src/database/tidemark-data-source.js';
import { Initial1700000000000 } from './src/migrations/1700000000000-initial.js';
import { Collections1700000001000 } from './src/migrations/1700000001000-collections.js';
import { SupersededChanges1700000002000 } from './src/migrations/1700000002000-superseded-changes.js';
import { CoveringIndexes1700000003000 } from './src/migrations/1700000003000-covering-indexes.js';
import { ApiClients1700000004000 } from './src/migrations/1700000004000-api-clients.js';
import { DeveloperNames1700000004500 } from './src/migrations/1700000004500-developer-names.js';
import { OAuth1700000005000 } from './src/migrations/1700000005000-oauth.js';
import { Invite } from './src/oauth/invite.entity.js';
import { LoginAttempts } from './src/oauth/login-attempts.entity.js';
import { OAuthState } from './src/oauth/oauth-state.entity.js';
import { Password } from './src/oauth/password.entity.js';
import { Webhooks1700000006000 } from './src/migrations/1700000006000-webhooks.js';
import { RevokedTokens1700000007000 } from './src/migrations/1700000007000-revoked-tokens.js';
import { WebhookFailures1700000008000 } from './src/migrations/1700000008000-webhook-failures.js';
import { SyncRecord } from './src/records/record.entity.js';
import { Share } from './src/records/share.entity.js';
import { ChangeEvent } from './src/sync-feed/change-event.entity.js';
import { listenToFeeds } from './src/sync-feed/feed-listener.js';
import { RecordChangeSubscriber } from './src/sync-feed/record-change.subscriber.js';
import { ClientKeySubscriber, GrantSubscriber } from './src/webhooks/right.subscriber.js';
import { webhookWakeUp } from './src/webhooks/wake-up.js';
import { WebhookAttempt } from './src/webhooks/webhook-attempt.entity.js';
import { WebhookDelivery } from './src/webhooks/webhook-delivery.entity.js';
import { WebhookEndpoint } from './src/webhooks/webhook-endpoint.entity.js';
import { WebhookPosition } from './src/webhooks/webhook-position.entity.js';

// As the subscribers below: before the first change.
listenToFeeds(webhookWakeUp);

const isEmbedded = config.DATABASE_URL === undefined;

/** The one DataSource: of the server, of the `migration:*` commands and of the tests. */
export default new TidemarkDataSource(
  {
    type: 'postgres',
    ...(isEmbedded
      ? { username: 'postgres', password: 'postgres', database: 'postgres' }
      : { url: config.DATABASE_URL }),
    entities: [
      ...[Developer, ApiClient, ApiKey, Grant, ServerKey, RevokedToken],
      ...[OAuthState, Password, Invite, LoginAttempts],
      ...[SyncRecord, Share, ChangeEvent, Pin],
      ...[WebhookEndpoint, WebhookPosition, WebhookDelivery, WebhookAttempt],
    ],
    subscribers: [
      RecordChangeSubscriber,
      PinChangeSubscriber,
      FollowedRecordSubscriber,
      RevokedShareSubscriber,
      ClientKeySubscriber,
      GrantSubscriber,
    ],
    migrations: [
      Initial1700000000000,
      Collections1700000001000,
      SupersededChanges1700000002000,
      CoveringIndexes1700000003000,
      ApiClients1700000004000,
      DeveloperNames1700000004500,
      OAuth1700000005000,
      Webhooks1700000006000,
      RevokedTokens1700000007000,
      WebhookFailures1700000008000,
    ],
    synchronize: false,
    // No extension is needed: every id is made by the server or by an identity column.
    installExtensions: false,
    applicationName: 'tidemark',
    // How long a request waits for a free connection, in ms, before it is answered with 503.
    connectTimeoutMS: 10_000,
    // A lost idle connection is replaced by the pool; without a handler it would end the process.
    poolErrorHandler: () => {},
    extra: {
      // The embedded database has no statistics: planned without values, a chunk of a long feed would read all of it.
      ...(isEmbedded ? {} : { Client: PreparingClient, options: SESSION }),
      // The embedded database is one session: a second connection would share its transactions.
      max: isEmbedded ? 1 : config.DATABASE_POOL_SIZE,
      // In ms. A transaction that its process has abandoned must not hold a feed's lock for ever.
      idle_in_transaction_session_timeout: 30_000,
      // In ms. A write that waits this long for its feed is answered with 503 instead of piling up.
      lock_timeout: 15_000,
      // The pool listens for errors of idle connections only, and TypeORM not before its own code runs: between the
      // two, a connection that PostgreSQL ends would end the process. Whoever uses it then gets an error anyway.
      onConnect: (client: Client) => void client.on('error', () => {}),
    },
  },
  isEmbedded ? config.DATA_DIR : undefined,
  new Replicas(config.DATABASE_REPLICA_URL ?? [], config.DATABASE_POOL_SIZE),
);
