import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Every table of the hot path has the developer first in its primary key, and every hot query names the developer,
 * so that the tables can be distributed by it (docs/operations.md, Scaling).
 */
export class Initial1700000000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // The clock is updated by every write: free space in each page keeps the update in place (HOT), off the indexes.
    await queryRunner.query(`
      CREATE TABLE developers (
        id integer GENERATED ALWAYS AS IDENTITY,
        developer_id varchar(255) NOT NULL,
        feed_clock timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT developers_pkey PRIMARY KEY (id),
        CONSTRAINT developers_developer_id UNIQUE (developer_id)
      ) WITH (fillfactor = 50)`);

    await queryRunner.query(`
      CREATE TABLE api_keys (
        id uuid NOT NULL,
        owner_id integer NOT NULL,
        hash bytea NOT NULL,
        prefix varchar(12) NOT NULL,
        name varchar(255),
        scopes varchar(32)[] NOT NULL,
        created_at timestamptz(3) NOT NULL,
        expires_at timestamptz(3),
        last_used_at timestamptz(3),
        revoked_at timestamptz(3),
        CONSTRAINT api_keys_pkey PRIMARY KEY (id),
        CONSTRAINT api_keys_owner FOREIGN KEY (owner_id) REFERENCES developers (id)
      )`);
    await queryRunner.query(`CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash)`);
    await queryRunner.query(`CREATE INDEX api_keys_owner_id ON api_keys (owner_id)`);

    await queryRunner.query(`CREATE SEQUENCE item_ids`);
    await queryRunner.query(`
      CREATE TABLE records (
        owner_id integer NOT NULL,
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
        CONSTRAINT records_pkey PRIMARY KEY (owner_id, item_id),
        CONSTRAINT records_key UNIQUE (owner_id, resource_type, resource_key),
        CONSTRAINT records_owner FOREIGN KEY (owner_id) REFERENCES developers (id)
      )`);
    await queryRunner.query(`CREATE INDEX records_id ON records (id)`);
    await queryRunner.query(`CREATE INDEX records_item_id ON records (item_id)`);

    // No foreign keys: an event outlives its item, and the tick that dates it has just updated its developer.
    await queryRunner.query(`
      CREATE TABLE change_events (
        feed_id integer NOT NULL,
        datetime timestamptz(3) NOT NULL,
        action varchar(8) NOT NULL,
        item_type varchar(64) NOT NULL,
        asset varchar(80) NOT NULL,
        item_id bigint NOT NULL,
        item_user_id integer NOT NULL,
        CONSTRAINT change_events_pkey PRIMARY KEY (feed_id, datetime)
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE change_events`);
    await queryRunner.query(`DROP TABLE records`);
    await queryRunner.query(`DROP SEQUENCE item_ids`);
    await queryRunner.query(`DROP TABLE api_keys`);
    await queryRunner.query(`DROP TABLE developers`);
  }
}
