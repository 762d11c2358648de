import type { MigrationInterface, QueryRunner } from 'typeorm';
import { CREATE_AUDIT_GUARD, CREATE_GUARD, DROP_GUARD } from './guard.js';

/** Columns of `change_events` that an answer shows: INCLUDEd, so that pages are read from an index alone. */
const SHOWN = 'action, item_type, asset, item_id, item_user_id, collection_id';

/**
 * The schema of 0.1.0. Every table of the hot path has `user_id`, the developer whose library a row belongs
 * to, first in its primary key, and every hot statement names it.
 */
const UP = [
  `CREATE TABLE histories (
    begins_at timestamptz(3) NOT NULL,
    lost_from timestamptz(3) NOT NULL,
    opened_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
    system_identifier varchar(20) NOT NULL,
    timeline varchar(8) NOT NULL,
    database_oid bigint NOT NULL,
    table_oid bigint NOT NULL,
    CONSTRAINT histories_pkey PRIMARY KEY (begins_at)
  )`,
  `CREATE TABLE developers (
    user_id integer GENERATED ALWAYS AS IDENTITY,
    developer_id varchar(255) NOT NULL,
    name varchar(255),
    created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz(3),
    CONSTRAINT developers_pkey PRIMARY KEY (user_id),
    CONSTRAINT developers_developer_id UNIQUE (developer_id)
  )`,
  // Every write updates its clock. HOT: free space in each page keeps the update in place, off the index.
  `CREATE TABLE feeds (
    user_id integer NOT NULL,
    developer_id varchar(255) NOT NULL,
    born timestamptz(3) NOT NULL,
    clock timestamptz(3) NOT NULL,
    floor timestamptz(3),
    erased_from timestamptz(3),
    CONSTRAINT feeds_pkey PRIMARY KEY (user_id),
    CONSTRAINT feeds_developer FOREIGN KEY (user_id) REFERENCES developers (user_id)
  ) WITH (fillfactor = 50)`,

  // Times of erased feeds, without names: their cursors must not pass for cursors of a later feed.
  `CREATE TABLE erased_feeds (
    born timestamptz(3) NOT NULL,
    clock timestamptz(3) NOT NULL,
    CONSTRAINT erased_feeds_pkey PRIMARY KEY (born, clock)
  )`,

  // Heartbeat: the time that the database's clock has reached, for each table of waits.
  `CREATE TABLE clock_heartbeats (
    table_name varchar(64) NOT NULL,
    last timestamptz NOT NULL,
    CONSTRAINT clock_heartbeats_pkey PRIMARY KEY (table_name)
  )`,

  `CREATE TABLE api_clients (
    id uuid NOT NULL,
    user_id integer,
    name varchar(255) NOT NULL,
    redirect_uris text[] NOT NULL,
    default_assets varchar(80)[],
    scopes varchar(32)[] NOT NULL,
    pkce varchar(16) NOT NULL,
    secret_hash bytea,
    previous_secret_hash bytea,
    previous_secret_expires_at timestamptz(3),
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    CONSTRAINT api_clients_pkey PRIMARY KEY (id),
    CONSTRAINT api_clients_owner FOREIGN KEY (user_id) REFERENCES developers (user_id)
  )`,
  // The server's own client, the page at /docs. Its redirect URI depends on PUBLIC_URL and is not stored.
  `INSERT INTO api_clients (id, name, redirect_uris, scopes, pkce, created_at, updated_at)
  VALUES (
    '00000000-0000-7000-8000-000000000001', 'API documentation', '{}', '{sync:read,sync:write}', 'required',
    now(), now()
  )`,
  `CREATE TABLE api_keys (
    id uuid NOT NULL,
    user_id integer NOT NULL,
    client_id uuid,
    hash bytea NOT NULL,
    prefix varchar(12) NOT NULL,
    name varchar(255),
    scopes varchar(32)[] NOT NULL,
    created_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3),
    last_used_at timestamptz(3),
    revoked_at timestamptz(3),
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_owner FOREIGN KEY (user_id) REFERENCES developers (user_id),
    CONSTRAINT api_keys_client FOREIGN KEY (client_id) REFERENCES api_clients (id) ON DELETE CASCADE
  )`,
  `CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash)`,
  `CREATE INDEX api_keys_user_id ON api_keys (user_id)`,
  `CREATE INDEX api_keys_client_id ON api_keys (client_id)`,

  `CREATE TABLE grants (
    id varchar(64) NOT NULL,
    user_id integer NOT NULL,
    client_id uuid NOT NULL,
    scopes varchar(32)[] NOT NULL,
    payload json NOT NULL,
    created_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    CONSTRAINT grants_pkey PRIMARY KEY (id),
    CONSTRAINT grants_developer FOREIGN KEY (user_id) REFERENCES developers (user_id),
    CONSTRAINT grants_client FOREIGN KEY (client_id) REFERENCES api_clients (id) ON DELETE CASCADE
  )`,
  `CREATE INDEX grants_of_developer ON grants (user_id, client_id)`,
  `CREATE INDEX grants_of_client ON grants (client_id)`,
  `CREATE TABLE server_keys (
    id varchar(64) NOT NULL,
    purpose varchar(16) NOT NULL,
    jwk text NOT NULL,
    created_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3),
    CONSTRAINT server_keys_pkey PRIMARY KEY (id)
  )`,
  `CREATE TABLE revoked_tokens (
    id varchar(64) NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    CONSTRAINT revoked_tokens_pkey PRIMARY KEY (id)
  )`,
  `CREATE INDEX revoked_tokens_expires_at ON revoked_tokens (expires_at)`,

  `CREATE TABLE oauth_states (
    model varchar(32) NOT NULL,
    id varchar(64) NOT NULL,
    payload json NOT NULL,
    grant_id varchar(64),
    uid varchar(64),
    account_id varchar(255),
    consumed_at timestamptz(3),
    expires_at timestamptz(3) NOT NULL,
    CONSTRAINT oauth_states_pkey PRIMARY KEY (model, id),
    CONSTRAINT oauth_states_grant FOREIGN KEY (grant_id) REFERENCES grants (id) ON DELETE CASCADE
  )`,
  `CREATE INDEX oauth_states_grant_id ON oauth_states (grant_id)`,
  `CREATE INDEX oauth_states_uid ON oauth_states (uid)`,
  `CREATE INDEX oauth_states_account_id ON oauth_states (account_id)`,
  `CREATE INDEX oauth_states_expires_at ON oauth_states (expires_at)`,
  `CREATE TABLE passwords (
    user_id integer NOT NULL,
    hash varchar(255) NOT NULL,
    changed_at timestamptz(3) NOT NULL,
    CONSTRAINT passwords_pkey PRIMARY KEY (user_id),
    CONSTRAINT passwords_developer FOREIGN KEY (user_id) REFERENCES developers (user_id)
  )`,
  `CREATE TABLE invites (
    hash bytea NOT NULL,
    user_id integer NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    CONSTRAINT invites_pkey PRIMARY KEY (hash),
    CONSTRAINT invites_developer FOREIGN KEY (user_id) REFERENCES developers (user_id)
  )`,
  `CREATE INDEX invites_expires_at ON invites (expires_at)`,
  `CREATE TABLE login_attempts (
    key bytea NOT NULL,
    attempts integer NOT NULL,
    slot_at timestamptz(3),
    expires_at timestamptz(3) NOT NULL,
    CONSTRAINT login_attempts_pkey PRIMARY KEY (key)
  )`,
  `CREATE INDEX login_attempts_expires_at ON login_attempts (expires_at)`,
  `CREATE TABLE login_origins (
    user_id integer NOT NULL,
    hash bytea NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    CONSTRAINT login_origins_pkey PRIMARY KEY (user_id, hash),
    CONSTRAINT login_origins_developer FOREIGN KEY (user_id) REFERENCES developers (user_id)
  )`,
  `CREATE INDEX login_origins_expires_at ON login_origins (expires_at)`,

  // Unlogged: a crash may forget the requests of a minute.
  `CREATE UNLOGGED TABLE rate_counts (
    window_start timestamptz(3) NOT NULL,
    key bytea NOT NULL,
    requests bigint NOT NULL,
    CONSTRAINT rate_counts_pkey PRIMARY KEY (window_start, key)
  )`,

  `CREATE SEQUENCE item_ids`,
  `CREATE TABLE records (
    user_id integer NOT NULL,
    item_id bigint NOT NULL,
    id uuid NOT NULL,
    developer_id varchar(255) NOT NULL,
    resource_type varchar(64) NOT NULL,
    resource_key varchar(255) NOT NULL,
    data json NOT NULL,
    metadata json NOT NULL,
    status varchar(32) NOT NULL,
    last_synced_at timestamptz(3),
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    bytes integer NOT NULL,
    CONSTRAINT records_pkey PRIMARY KEY (user_id, item_id) INCLUDE (status),
    CONSTRAINT records_key UNIQUE (user_id, resource_type, resource_key),
    CONSTRAINT records_owner FOREIGN KEY (user_id) REFERENCES developers (user_id)
  )`,
  `CREATE INDEX records_id ON records (id)`,
  `CREATE INDEX records_item_id ON records (item_id)`,
  // Deep and filtered pages of lists, from an index alone. Nearly all records are ACTIVE.
  `CREATE INDEX records_of_type ON records (user_id, resource_type, item_id) INCLUDE (status)`,
  `CREATE INDEX records_of_status ON records (user_id, status, item_id) WHERE status <> 'ACTIVE'`,
  // Every write updates one of them. HOT: as for feeds.
  `CREATE TABLE library_sizes (
    user_id integer NOT NULL,
    resource_type varchar(64) NOT NULL,
    status varchar(32) NOT NULL,
    records bigint NOT NULL,
    bytes bigint NOT NULL,
    CONSTRAINT library_sizes_pkey PRIMARY KEY (user_id, resource_type, status),
    CONSTRAINT library_sizes_owner FOREIGN KEY (user_id) REFERENCES developers (user_id)
  ) WITH (fillfactor = 50)`,
  `CREATE TABLE shares (
    user_id integer NOT NULL,
    item_id bigint NOT NULL,
    reader_user_id integer NOT NULL,
    created_at timestamptz(3) NOT NULL,
    CONSTRAINT shares_pkey PRIMARY KEY (user_id, item_id, reader_user_id),
    CONSTRAINT shares_reader FOREIGN KEY (reader_user_id) REFERENCES developers (user_id),
    CONSTRAINT shares_record FOREIGN KEY (user_id, item_id) REFERENCES records (user_id, item_id) ON DELETE CASCADE
  )`,
  // An erasure finds the shares that a developer has got.
  `CREATE INDEX shares_of_reader ON shares (reader_user_id)`,
  `CREATE TABLE pins (
    user_id integer NOT NULL,
    item_id bigint NOT NULL,
    item_user_id integer NOT NULL,
    item_type varchar(64) NOT NULL,
    asset varchar(80) NOT NULL,
    pinned_at timestamptz(3) NOT NULL,
    seen timestamptz(3) NOT NULL,
    CONSTRAINT pins_pkey PRIMARY KEY (user_id, item_id)
  )`,
  `CREATE INDEX pins_in_order ON pins (user_id, pinned_at)`,
  `CREATE INDEX pins_of_item ON pins (item_user_id, item_id, user_id)`,
  // No foreign keys: an event outlives its item, and the tick that dates it has just updated its feed.
  // Autovacuum after 2 % of the table, not 20 %: an index alone answers a page only where VACUUM has been.
  `CREATE TABLE change_events (
    user_id integer NOT NULL,
    datetime timestamptz(3) NOT NULL,
    action varchar(8) NOT NULL,
    item_type varchar(64) NOT NULL,
    asset varchar(80) NOT NULL,
    item_id bigint NOT NULL,
    item_user_id integer NOT NULL,
    collection_id integer,
    superseded_at timestamptz(3) NOT NULL DEFAULT 'infinity',
    CONSTRAINT change_events_pkey PRIMARY KEY (user_id, datetime) INCLUDE (${SHOWN})
  ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02)`,
  `CREATE INDEX change_events_of_item ON change_events (user_id, item_id, datetime)`,
  `CREATE INDEX change_events_alive ON change_events (user_id, datetime) INCLUDE (${SHOWN})
  WHERE superseded_at = 'infinity' AND action NOT IN ('deleted', 'removed')`,
  `CREATE INDEX change_events_ended ON change_events (user_id, datetime)
  WHERE action IN ('deleted', 'removed')`,

  `CREATE TABLE webhook_endpoints (
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    url varchar(2048) NOT NULL,
    assets varchar(80)[],
    active boolean NOT NULL,
    secret text NOT NULL,
    previous_secret text,
    previous_secret_expires_at timestamptz(3),
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz(3),
    failed_at timestamptz(3),
    retry_at timestamptz(3),
    tested_until timestamptz(3),
    disabled_at timestamptz(3),
    disabled_reason varchar(16),
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_endpoints_client FOREIGN KEY (client_id) REFERENCES api_clients (id) ON DELETE CASCADE
  )`,
  `CREATE INDEX webhook_endpoints_of_client ON webhook_endpoints (client_id)`,
  // Every delivery updates its position. HOT: as for feeds, where no indexed column changes.
  `CREATE TABLE webhook_positions (
    user_id integer NOT NULL,
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    announced timestamptz(3) NOT NULL,
    scanned timestamptz(3) NOT NULL,
    scanned_assets varchar(80)[],
    ends_at timestamptz(3),
    due_at timestamptz(3),
    lease uuid,
    attempts integer NOT NULL DEFAULT 0,
    delivery_id uuid,
    CONSTRAINT webhook_positions_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT webhook_positions_endpoint
      FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE CASCADE
  ) WITH (fillfactor = 70)`,
  `CREATE UNIQUE INDEX webhook_positions_live ON webhook_positions (user_id, endpoint_id) WHERE ends_at IS NULL`,
  `CREATE INDEX webhook_positions_due ON webhook_positions (endpoint_id, due_at)`,
  `CREATE INDEX webhook_positions_replays ON webhook_positions (endpoint_id) WHERE ends_at IS NOT NULL`,
  // Outbox, without an index: the scheduler reads the whole table twice a second, and deletes the rows it
  // handled.
  `CREATE TABLE webhook_wake_ups (
    user_id integer NOT NULL,
    is_start boolean NOT NULL DEFAULT false
  )`,
  `CREATE TABLE webhook_deliveries (
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    user_id integer,
    kind varchar(8) NOT NULL,
    since timestamptz(3),
    until timestamptz(3),
    assets varchar(80)[],
    notifications integer NOT NULL,
    status varchar(16) NOT NULL,
    created_at timestamptz(3) NOT NULL,
    completed_at timestamptz(3),
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_deliveries_endpoint
      FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE CASCADE
  )`,
  `CREATE INDEX webhook_deliveries_of_endpoint ON webhook_deliveries (endpoint_id, id)`,
  `CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries (created_at)`,
  `CREATE TABLE webhook_attempts (
    delivery_id uuid NOT NULL,
    id uuid NOT NULL,
    started_at timestamptz(3) NOT NULL,
    duration_ms integer NOT NULL,
    status integer,
    error varchar(255),
    answer text,
    CONSTRAINT webhook_attempts_pkey PRIMARY KEY (delivery_id, id),
    CONSTRAINT webhook_attempts_delivery
      FOREIGN KEY (delivery_id) REFERENCES webhook_deliveries (id) ON DELETE CASCADE
  )`,

  // No foreign keys: a line outlives all that it is about.
  `CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
    action varchar(32) NOT NULL,
    actor_kind varchar(16) NOT NULL,
    actor_id varchar(64),
    actor_developer_id varchar(255),
    target_id varchar(255),
    developer_id varchar(255),
    details json,
    address varchar(255),
    request_id varchar(128),
    CONSTRAINT audit_log_pkey PRIMARY KEY (id)
  )`,
  `CREATE INDEX audit_log_of_developer ON audit_log (developer_id, id)`,
  `CREATE INDEX audit_log_of_action ON audit_log (action, id)`,
  `CREATE INDEX audit_log_at ON audit_log (at)`,

  ...CREATE_GUARD,
  ...CREATE_AUDIT_GUARD,
];

/** In the order of creation. */
const TABLES = [
  ...['histories', 'developers', 'feeds', 'erased_feeds', 'clock_heartbeats'],
  ...['api_clients', 'api_keys', 'grants', 'server_keys', 'revoked_tokens'],
  ...['oauth_states', 'passwords', 'invites', 'login_attempts', 'login_origins'],
  ...['records', 'library_sizes', 'shares', 'pins', 'change_events'],
  'rate_counts',
  ...['webhook_endpoints', 'webhook_positions', 'webhook_wake_ups', 'webhook_deliveries', 'webhook_attempts'],
  'audit_log',
];

export class Initial1700000000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of UP) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of TABLES.toReversed()) await queryRunner.query(`DROP TABLE ${table}`);
    await queryRunner.query('DROP SEQUENCE item_ids');
    for (const statement of DROP_GUARD) await queryRunner.query(statement);
  }
}
