import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Which change of an item is its latest: what `compact=true` reads. Rewrites every superseded change once, at some
 * 100,000 a second, during which no server may write: with many million changes, plan for it.
 */
export class SupersededChanges1700000002000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `ALTER TABLE change_events ADD superseded_at timestamptz(3) NOT NULL DEFAULT 'infinity'`,
    );
    await queryRunner.query(`
      UPDATE change_events e
      SET superseded_at = next
      FROM (
        SELECT feed_id, datetime, lead(datetime) OVER (
          PARTITION BY feed_id, item_id, collection_id IS NOT NULL OR feed_id <> item_user_id ORDER BY datetime
        ) AS next
        FROM change_events
      ) n
      WHERE e.feed_id = n.feed_id AND e.datetime = n.datetime AND next IS NOT NULL`);
    await queryRunner.query(`
      CREATE INDEX change_events_alive ON change_events (feed_id, datetime)
      WHERE superseded_at = 'infinity' AND action NOT IN ('deleted', 'removed')`);
    await queryRunner.query(`
      CREATE INDEX change_events_ended ON change_events (feed_id, datetime)
      WHERE action IN ('deleted', 'removed')`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX change_events_ended`);
    await queryRunner.query(`ALTER TABLE change_events DROP superseded_at`);
  }
}
