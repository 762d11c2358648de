CREATE FUNCTION public.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
  BEGIN
    RAISE EXCEPTION '% of audit_log, which is append-only', tg_op USING
      ERRCODE = 'integrity_constraint_violation',
      HINT = 'AUDIT_LOG_DAYS says how long lines are kept.';
  END $$;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
  BEGIN
    RAISE EXCEPTION '% of % without a change of the feed', tg_op, tg_table_name USING
      ERRCODE = 'integrity_constraint_violation',
      DETAIL = 'Clients would never learn of it.',
      HINT = 'Use the API. For a repair, see "Repair by hand" in docs/operations.md.';
  END $$;

CREATE TABLE public.api_clients (
    id uuid NOT NULL,
    user_id integer,
    name character varying(255) NOT NULL,
    redirect_uris text[] NOT NULL,
    default_assets character varying(80)[],
    scopes character varying(32)[] NOT NULL,
    pkce character varying(16) NOT NULL,
    secret_hash bytea,
    previous_secret_hash bytea,
    previous_secret_expires_at timestamp(3) with time zone,
    created_at timestamp(3) with time zone NOT NULL,
    updated_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    user_id integer NOT NULL,
    client_id uuid,
    hash bytea NOT NULL,
    prefix character varying(12) NOT NULL,
    name character varying(255),
    scopes character varying(32)[] NOT NULL,
    created_at timestamp(3) with time zone NOT NULL,
    expires_at timestamp(3) with time zone,
    last_used_at timestamp(3) with time zone,
    revoked_at timestamp(3) with time zone
);

CREATE TABLE public.audit_log (
    id bigint NOT NULL,
    at timestamp(3) with time zone DEFAULT clock_timestamp() NOT NULL,
    action character varying(32) NOT NULL,
    actor_kind character varying(16) NOT NULL,
    actor_id character varying(64),
    actor_developer_id character varying(255),
    target_id character varying(255),
    developer_id character varying(255),
    details json,
    address character varying(255),
    request_id character varying(128)
);

ALTER TABLE public.audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.change_events (
    user_id integer NOT NULL,
    datetime timestamp(3) with time zone NOT NULL,
    action character varying(8) NOT NULL,
    item_type character varying(64) NOT NULL,
    asset character varying(80) NOT NULL,
    item_id bigint NOT NULL,
    item_user_id integer NOT NULL,
    collection_id integer,
    superseded_at timestamp(3) with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_insert_scale_factor='0.02');

CREATE TABLE public.clock_heartbeats (
    table_name character varying(64) NOT NULL,
    last timestamp with time zone NOT NULL
);

CREATE TABLE public.developers (
    user_id integer NOT NULL,
    developer_id character varying(255) NOT NULL,
    name character varying(255),
    created_at timestamp(3) with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp(3) with time zone
);

ALTER TABLE public.developers ALTER COLUMN user_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.developers_user_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.erased_feeds (
    born timestamp(3) with time zone NOT NULL,
    clock timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.feeds (
    user_id integer NOT NULL,
    developer_id character varying(255) NOT NULL,
    born timestamp(3) with time zone NOT NULL,
    clock timestamp(3) with time zone NOT NULL,
    floor timestamp(3) with time zone,
    erased_from timestamp(3) with time zone
)
WITH (fillfactor='50');

CREATE TABLE public.grants (
    id character varying(64) NOT NULL,
    user_id integer NOT NULL,
    client_id uuid NOT NULL,
    scopes character varying(32)[] NOT NULL,
    payload json NOT NULL,
    created_at timestamp(3) with time zone NOT NULL,
    expires_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.histories (
    begins_at timestamp(3) with time zone NOT NULL,
    lost_from timestamp(3) with time zone NOT NULL,
    opened_at timestamp(3) with time zone DEFAULT clock_timestamp() NOT NULL,
    system_identifier character varying(20) NOT NULL,
    timeline character varying(8) NOT NULL,
    database_oid bigint NOT NULL,
    table_oid bigint NOT NULL
);

CREATE TABLE public.invites (
    hash bytea NOT NULL,
    user_id integer NOT NULL,
    expires_at timestamp(3) with time zone NOT NULL
);

CREATE SEQUENCE public.item_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.library_sizes (
    user_id integer NOT NULL,
    resource_type character varying(64) NOT NULL,
    status character varying(32) NOT NULL,
    records bigint NOT NULL,
    bytes bigint NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE public.login_attempts (
    key bytea NOT NULL,
    attempts integer NOT NULL,
    slot_at timestamp(3) with time zone,
    expires_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.login_origins (
    user_id integer NOT NULL,
    hash bytea NOT NULL,
    expires_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.migrations (
    id integer NOT NULL,
    "timestamp" bigint NOT NULL,
    name character varying NOT NULL
);

CREATE SEQUENCE public.migrations_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.migrations_id_seq OWNED BY public.migrations.id;

CREATE TABLE public.oauth_states (
    model character varying(32) NOT NULL,
    id character varying(64) NOT NULL,
    payload json NOT NULL,
    grant_id character varying(64),
    uid character varying(64),
    account_id character varying(255),
    consumed_at timestamp(3) with time zone,
    expires_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.passwords (
    user_id integer NOT NULL,
    hash character varying(255) NOT NULL,
    changed_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.pins (
    user_id integer NOT NULL,
    item_id bigint NOT NULL,
    item_user_id integer NOT NULL,
    item_type character varying(64) NOT NULL,
    asset character varying(80) NOT NULL,
    pinned_at timestamp(3) with time zone NOT NULL,
    seen timestamp(3) with time zone NOT NULL
);

CREATE UNLOGGED TABLE public.rate_counts (
    window_start timestamp(3) with time zone NOT NULL,
    key bytea NOT NULL,
    requests bigint NOT NULL
);

CREATE TABLE public.records (
    user_id integer NOT NULL,
    item_id bigint NOT NULL,
    id uuid NOT NULL,
    developer_id character varying(255) NOT NULL,
    resource_type character varying(64) NOT NULL,
    resource_key character varying(255) NOT NULL,
    data json NOT NULL,
    metadata json NOT NULL,
    status character varying(32) NOT NULL,
    last_synced_at timestamp(3) with time zone,
    created_at timestamp(3) with time zone NOT NULL,
    updated_at timestamp(3) with time zone NOT NULL,
    bytes integer NOT NULL
);

CREATE TABLE public.revoked_tokens (
    id character varying(64) NOT NULL,
    expires_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.server_keys (
    id character varying(64) NOT NULL,
    purpose character varying(16) NOT NULL,
    jwk text NOT NULL,
    created_at timestamp(3) with time zone NOT NULL,
    expires_at timestamp(3) with time zone
);

CREATE TABLE public.shares (
    user_id integer NOT NULL,
    item_id bigint NOT NULL,
    reader_user_id integer NOT NULL,
    created_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.webhook_attempts (
    delivery_id uuid NOT NULL,
    id uuid NOT NULL,
    started_at timestamp(3) with time zone NOT NULL,
    duration_ms integer NOT NULL,
    status integer,
    error character varying(255),
    answer text
);

CREATE TABLE public.webhook_deliveries (
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    user_id integer,
    kind character varying(8) NOT NULL,
    since timestamp(3) with time zone,
    until timestamp(3) with time zone,
    assets character varying(80)[],
    notifications integer NOT NULL,
    status character varying(16) NOT NULL,
    created_at timestamp(3) with time zone NOT NULL,
    completed_at timestamp(3) with time zone
);

CREATE TABLE public.webhook_endpoints (
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    url character varying(2048) NOT NULL,
    assets character varying(80)[],
    active boolean NOT NULL,
    secret text NOT NULL,
    previous_secret text,
    previous_secret_expires_at timestamp(3) with time zone,
    failures integer DEFAULT 0 NOT NULL,
    failing_since timestamp(3) with time zone,
    failed_at timestamp(3) with time zone,
    retry_at timestamp(3) with time zone,
    tested_until timestamp(3) with time zone,
    disabled_at timestamp(3) with time zone,
    disabled_reason character varying(16),
    created_at timestamp(3) with time zone NOT NULL,
    updated_at timestamp(3) with time zone NOT NULL
);

CREATE TABLE public.webhook_positions (
    user_id integer NOT NULL,
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    announced timestamp(3) with time zone NOT NULL,
    scanned timestamp(3) with time zone NOT NULL,
    scanned_assets character varying(80)[],
    ends_at timestamp(3) with time zone,
    due_at timestamp(3) with time zone,
    lease uuid,
    attempts integer DEFAULT 0 NOT NULL,
    delivery_id uuid
)
WITH (fillfactor='70');

CREATE TABLE public.webhook_wake_ups (
    user_id integer NOT NULL,
    is_start boolean DEFAULT false NOT NULL
);

ALTER TABLE ONLY public.migrations ALTER COLUMN id SET DEFAULT nextval('public.migrations_id_seq'::regclass);

ALTER TABLE ONLY public.migrations
    ADD CONSTRAINT "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY (id);

ALTER TABLE ONLY public.api_clients
    ADD CONSTRAINT api_clients_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.change_events
    ADD CONSTRAINT change_events_pkey PRIMARY KEY (user_id, datetime) INCLUDE (action, item_type, asset, item_id, item_user_id, collection_id);

ALTER TABLE ONLY public.clock_heartbeats
    ADD CONSTRAINT clock_heartbeats_pkey PRIMARY KEY (table_name);

ALTER TABLE ONLY public.developers
    ADD CONSTRAINT developers_developer_id UNIQUE (developer_id);

ALTER TABLE ONLY public.developers
    ADD CONSTRAINT developers_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.erased_feeds
    ADD CONSTRAINT erased_feeds_pkey PRIMARY KEY (born, clock);

ALTER TABLE ONLY public.feeds
    ADD CONSTRAINT feeds_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.histories
    ADD CONSTRAINT histories_pkey PRIMARY KEY (begins_at);

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT invites_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY public.library_sizes
    ADD CONSTRAINT library_sizes_pkey PRIMARY KEY (user_id, resource_type, status);

ALTER TABLE ONLY public.login_attempts
    ADD CONSTRAINT login_attempts_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.login_origins
    ADD CONSTRAINT login_origins_pkey PRIMARY KEY (user_id, hash);

ALTER TABLE ONLY public.oauth_states
    ADD CONSTRAINT oauth_states_pkey PRIMARY KEY (model, id);

ALTER TABLE ONLY public.passwords
    ADD CONSTRAINT passwords_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.pins
    ADD CONSTRAINT pins_pkey PRIMARY KEY (user_id, item_id);

ALTER TABLE ONLY public.rate_counts
    ADD CONSTRAINT rate_counts_pkey PRIMARY KEY (window_start, key);

ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_key UNIQUE (user_id, resource_type, resource_key);

ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (user_id, item_id) INCLUDE (status);

ALTER TABLE ONLY public.revoked_tokens
    ADD CONSTRAINT revoked_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.server_keys
    ADD CONSTRAINT server_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_pkey PRIMARY KEY (user_id, item_id, reader_user_id);

ALTER TABLE ONLY public.webhook_attempts
    ADD CONSTRAINT webhook_attempts_pkey PRIMARY KEY (delivery_id, id);

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webhook_positions
    ADD CONSTRAINT webhook_positions_pkey PRIMARY KEY (user_id, id);

CREATE INDEX api_keys_client_id ON public.api_keys USING btree (client_id);

CREATE UNIQUE INDEX api_keys_hash ON public.api_keys USING btree (hash);

CREATE INDEX api_keys_user_id ON public.api_keys USING btree (user_id);

CREATE INDEX audit_log_at ON public.audit_log USING btree (at);

CREATE INDEX audit_log_of_action ON public.audit_log USING btree (action, id);

CREATE INDEX audit_log_of_developer ON public.audit_log USING btree (developer_id, id);

CREATE INDEX change_events_alive ON public.change_events USING btree (user_id, datetime) INCLUDE (action, item_type, asset, item_id, item_user_id, collection_id) WHERE ((superseded_at = 'infinity'::timestamp with time zone) AND ((action)::text <> ALL ((ARRAY['deleted'::character varying, 'removed'::character varying])::text[])));

CREATE INDEX change_events_ended ON public.change_events USING btree (user_id, datetime) WHERE ((action)::text = ANY ((ARRAY['deleted'::character varying, 'removed'::character varying])::text[]));

CREATE INDEX change_events_of_item ON public.change_events USING btree (user_id, item_id, datetime);

CREATE INDEX grants_of_client ON public.grants USING btree (client_id);

CREATE INDEX grants_of_developer ON public.grants USING btree (user_id, client_id);

CREATE INDEX invites_expires_at ON public.invites USING btree (expires_at);

CREATE INDEX login_attempts_expires_at ON public.login_attempts USING btree (expires_at);

CREATE INDEX login_origins_expires_at ON public.login_origins USING btree (expires_at);

CREATE INDEX oauth_states_account_id ON public.oauth_states USING btree (account_id);

CREATE INDEX oauth_states_expires_at ON public.oauth_states USING btree (expires_at);

CREATE INDEX oauth_states_grant_id ON public.oauth_states USING btree (grant_id);

CREATE INDEX oauth_states_uid ON public.oauth_states USING btree (uid);

CREATE INDEX pins_in_order ON public.pins USING btree (user_id, pinned_at);

CREATE INDEX pins_of_item ON public.pins USING btree (item_user_id, item_id, user_id);

CREATE INDEX records_id ON public.records USING btree (id);

CREATE INDEX records_item_id ON public.records USING btree (item_id);

CREATE INDEX records_of_status ON public.records USING btree (user_id, status, item_id) WHERE ((status)::text <> 'ACTIVE'::text);

CREATE INDEX records_of_type ON public.records USING btree (user_id, resource_type, item_id) INCLUDE (status);

CREATE INDEX revoked_tokens_expires_at ON public.revoked_tokens USING btree (expires_at);

CREATE INDEX shares_of_reader ON public.shares USING btree (reader_user_id);

CREATE INDEX webhook_deliveries_created_at ON public.webhook_deliveries USING btree (created_at);

CREATE INDEX webhook_deliveries_of_endpoint ON public.webhook_deliveries USING btree (endpoint_id, id);

CREATE INDEX webhook_endpoints_of_client ON public.webhook_endpoints USING btree (client_id);

CREATE INDEX webhook_positions_due ON public.webhook_positions USING btree (endpoint_id, due_at);

CREATE UNIQUE INDEX webhook_positions_live ON public.webhook_positions USING btree (user_id, endpoint_id) WHERE (ends_at IS NULL);

CREATE INDEX webhook_positions_replays ON public.webhook_positions USING btree (endpoint_id) WHERE (ends_at IS NOT NULL);

CREATE TRIGGER guard BEFORE UPDATE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_audit_change();

CREATE TRIGGER guard AFTER INSERT OR DELETE OR UPDATE ON public.change_events FOR EACH STATEMENT WHEN ((current_setting('tidemark.changes_feed'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER guard AFTER INSERT OR DELETE OR UPDATE ON public.records FOR EACH STATEMENT WHEN ((current_setting('tidemark.changes_feed'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER guard_delete BEFORE DELETE ON public.audit_log FOR EACH STATEMENT WHEN ((current_setting('tidemark.prunes_audit_log'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION public.refuse_audit_change();

CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON public.change_events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON public.records FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

ALTER TABLE ONLY public.api_clients
    ADD CONSTRAINT api_clients_owner FOREIGN KEY (user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_client FOREIGN KEY (client_id) REFERENCES public.api_clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_owner FOREIGN KEY (user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.feeds
    ADD CONSTRAINT feeds_developer FOREIGN KEY (user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_client FOREIGN KEY (client_id) REFERENCES public.api_clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_developer FOREIGN KEY (user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT invites_developer FOREIGN KEY (user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.library_sizes
    ADD CONSTRAINT library_sizes_owner FOREIGN KEY (user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.login_origins
    ADD CONSTRAINT login_origins_developer FOREIGN KEY (user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.oauth_states
    ADD CONSTRAINT oauth_states_grant FOREIGN KEY (grant_id) REFERENCES public.grants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.passwords
    ADD CONSTRAINT passwords_developer FOREIGN KEY (user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_owner FOREIGN KEY (user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_reader FOREIGN KEY (reader_user_id) REFERENCES public.developers(user_id);

ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_record FOREIGN KEY (user_id, item_id) REFERENCES public.records(user_id, item_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhook_attempts
    ADD CONSTRAINT webhook_attempts_delivery FOREIGN KEY (delivery_id) REFERENCES public.webhook_deliveries(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_endpoint FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_client FOREIGN KEY (client_id) REFERENCES public.api_clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhook_positions
    ADD CONSTRAINT webhook_positions_endpoint FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;
