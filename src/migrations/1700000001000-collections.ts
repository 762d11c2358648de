import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Shares, the `pinned` collections, and what delivers the changes of an item to those who pinned it. */
export class Collections1700000001000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE shares (
        owner_id integer NOT NULL,
        item_id bigint NOT NULL,
        developer_id integer NOT NULL,
        created_at timestamptz(3) NOT NULL,
        CONSTRAINT shares_pkey PRIMARY KEY (owner_id, item_id, developer_id),
        CONSTRAINT shares_developer FOREIGN KEY (developer_id) REFERENCES developers (id),
        CONSTRAINT shares_record FOREIGN KEY (owner_id, item_id) REFERENCES records (owner_id, item_id) ON DELETE CASCADE
      )`);
    await queryRunner.query(`
      CREATE TABLE pins (
        developer_id integer NOT NULL,
        item_id bigint NOT NULL,
        item_owner_id integer NOT NULL,
        item_type varchar(64) NOT NULL,
        asset varchar(80) NOT NULL,
        pinned_at timestamptz(3) NOT NULL,
        seen timestamptz(3) NOT NULL,
        CONSTRAINT pins_pkey PRIMARY KEY (developer_id, item_id)
      )`);
    await queryRunner.query(`CREATE INDEX pins_of_item ON pins (item_owner_id, item_id, developer_id)`);
    await queryRunner.query(`ALTER TABLE change_events ADD collection_id integer`);
    await queryRunner.query(
      `CREATE INDEX change_events_of_item ON change_events (feed_id, item_id, datetime)`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX change_events_of_item`);
    // What only followers have got; without their pins nobody could ever tell them of its end.
    await queryRunner.query(
      `DELETE FROM change_events WHERE collection_id IS NOT NULL OR feed_id <> item_user_id`,
    );
    await queryRunner.query(`ALTER TABLE change_events DROP collection_id`);
    await queryRunner.query(`DROP TABLE pins`);
    await queryRunner.query(`DROP TABLE shares`);
  }
}
