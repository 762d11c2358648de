import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Webhook endpoints, how far each has been told of each feed, and the log of what was sent. */
export class Webhooks1700000006000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE webhook_endpoints (
        id uuid NOT NULL,
        client_id uuid NOT NULL,
        url varchar(2048) NOT NULL,
        assets varchar(80)[],
        active boolean NOT NULL,
        secret varchar(100) NOT NULL,
        previous_secret varchar(100),
        previous_secret_expires_at timestamptz(3),
        failures integer NOT NULL DEFAULT 0,
        failing_since timestamptz(3),
        retry_at timestamptz(3),
        disabled_at timestamptz(3),
        disabled_reason varchar(16),
        created_at timestamptz(3) NOT NULL,
        updated_at timestamptz(3) NOT NULL,
        CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id),
        CONSTRAINT webhook_endpoints_client FOREIGN KEY (client_id) REFERENCES api_clients (id) ON DELETE CASCADE
      )`);
    await queryRunner.query(`CREATE INDEX webhook_endpoints_of_client ON webhook_endpoints (client_id)`);

    // Updated by every delivery: free space in each page keeps the update in place, off the indexes where it can be.
    await queryRunner.query(`
      CREATE TABLE webhook_positions (
        developer_id integer NOT NULL,
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
        CONSTRAINT webhook_positions_pkey PRIMARY KEY (developer_id, id),
        CONSTRAINT webhook_positions_endpoint
          FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE CASCADE
      ) WITH (fillfactor = 70)`);
    await queryRunner.query(`
      CREATE UNIQUE INDEX webhook_positions_live ON webhook_positions (developer_id, endpoint_id)
      WHERE ends_at IS NULL`);
    await queryRunner.query(`CREATE INDEX webhook_positions_due ON webhook_positions (endpoint_id, due_at)`);

    await queryRunner.query(`
      CREATE TABLE webhook_deliveries (
        id uuid NOT NULL,
        endpoint_id uuid NOT NULL,
        developer_id integer,
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
      )`);
    await queryRunner.query(
      `CREATE INDEX webhook_deliveries_of_endpoint ON webhook_deliveries (endpoint_id, id)`,
    );
    await queryRunner.query(`CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries (created_at)`);
    await queryRunner.query(`
      CREATE TABLE webhook_attempts (
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
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['attempts', 'deliveries', 'positions', 'endpoints'])
      await queryRunner.query(`DROP TABLE webhook_${table}`);
  }
}
