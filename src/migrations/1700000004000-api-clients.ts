import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Applications, the keys that belong to them, and what developers have granted them. */
export class ApiClients1700000004000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE api_clients (
        id uuid NOT NULL,
        owner_id integer,
        name varchar(255) NOT NULL,
        redirect_uris text[] NOT NULL,
        default_assets varchar(80)[],
        scopes varchar(32)[] NOT NULL,
        secret_hash bytea,
        previous_secret_hash bytea,
        previous_secret_expires_at timestamptz(3),
        created_at timestamptz(3) NOT NULL,
        updated_at timestamptz(3) NOT NULL,
        CONSTRAINT api_clients_pkey PRIMARY KEY (id),
        CONSTRAINT api_clients_owner FOREIGN KEY (owner_id) REFERENCES developers (id)
      )`);
    await queryRunner.query(`
      ALTER TABLE api_keys
      ADD client_id uuid,
      ADD CONSTRAINT api_keys_client FOREIGN KEY (client_id) REFERENCES api_clients (id) ON DELETE CASCADE`);
    await queryRunner.query(`CREATE INDEX api_keys_client_id ON api_keys (client_id)`);
    await queryRunner.query(`
      CREATE TABLE grants (
        id varchar(64) NOT NULL,
        developer_id integer NOT NULL,
        client_id uuid NOT NULL,
        scopes varchar(32)[] NOT NULL,
        payload json NOT NULL,
        created_at timestamptz(3) NOT NULL,
        expires_at timestamptz(3) NOT NULL,
        CONSTRAINT grants_pkey PRIMARY KEY (id),
        CONSTRAINT grants_developer FOREIGN KEY (developer_id) REFERENCES developers (id),
        CONSTRAINT grants_client FOREIGN KEY (client_id) REFERENCES api_clients (id) ON DELETE CASCADE
      )`);
    await queryRunner.query(`CREATE INDEX grants_of_developer ON grants (developer_id, client_id)`);
    await queryRunner.query(`CREATE INDEX grants_of_client ON grants (client_id)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE grants`);
    await queryRunner.query(`ALTER TABLE api_keys DROP client_id`);
    await queryRunner.query(`DROP TABLE api_clients`);
  }
}
