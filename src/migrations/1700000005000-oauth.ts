import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The state of the authorization server: its keys, codes, tokens and sessions, and how people log in to it. */
export class OAuth1700000005000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE server_keys (
        id varchar(64) NOT NULL,
        purpose varchar(16) NOT NULL,
        jwk json NOT NULL,
        created_at timestamptz(3) NOT NULL,
        expires_at timestamptz(3),
        CONSTRAINT server_keys_pkey PRIMARY KEY (id)
      )`);
    await queryRunner.query(`
      CREATE TABLE oauth_states (
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
      )`);
    await queryRunner.query(`CREATE INDEX oauth_states_grant_id ON oauth_states (grant_id)`);
    await queryRunner.query(`CREATE INDEX oauth_states_uid ON oauth_states (uid)`);
    await queryRunner.query(`CREATE INDEX oauth_states_account_id ON oauth_states (account_id)`);
    await queryRunner.query(`CREATE INDEX oauth_states_expires_at ON oauth_states (expires_at)`);
    await queryRunner.query(`
      CREATE TABLE passwords (
        developer_id integer NOT NULL,
        hash varchar(255) NOT NULL,
        changed_at timestamptz(3) NOT NULL,
        CONSTRAINT passwords_pkey PRIMARY KEY (developer_id),
        CONSTRAINT passwords_developer FOREIGN KEY (developer_id) REFERENCES developers (id)
      )`);
    await queryRunner.query(`
      CREATE TABLE invites (
        hash bytea NOT NULL,
        developer_id integer NOT NULL,
        expires_at timestamptz(3) NOT NULL,
        CONSTRAINT invites_pkey PRIMARY KEY (hash),
        CONSTRAINT invites_developer FOREIGN KEY (developer_id) REFERENCES developers (id)
      )`);
    await queryRunner.query(`CREATE INDEX invites_expires_at ON invites (expires_at)`);
    await queryRunner.query(`
      CREATE TABLE login_attempts (
        key bytea NOT NULL,
        attempts integer NOT NULL,
        expires_at timestamptz(3) NOT NULL,
        CONSTRAINT login_attempts_pkey PRIMARY KEY (key)
      )`);
    await queryRunner.query(`CREATE INDEX login_attempts_expires_at ON login_attempts (expires_at)`);
    // The server's own client, Swagger UI. Where it may be led back to depends on PUBLIC_URL, and is not stored.
    await queryRunner.query(`
      INSERT INTO api_clients (id, name, redirect_uris, scopes, created_at, updated_at)
      VALUES ('00000000-0000-7000-8000-000000000001', 'API documentation', '{}', '{sync:read,sync:write}', now(), now())`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DELETE FROM api_clients WHERE id = '00000000-0000-7000-8000-000000000001'`);
    for (const table of ['login_attempts', 'invites', 'passwords', 'oauth_states', 'server_keys']) {
      await queryRunner.query(`DROP TABLE ${table}`);
    }
  }
}
