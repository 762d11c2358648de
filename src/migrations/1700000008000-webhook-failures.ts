import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When an endpoint has failed last: one that failed once, long ago, has not been failing ever since. */
export class WebhookFailures1700000008000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE webhook_endpoints ADD COLUMN failed_at timestamptz(3)`);
    await queryRunner.query(`UPDATE webhook_endpoints SET failed_at = clock_timestamp() WHERE failures > 0`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE webhook_endpoints DROP COLUMN failed_at`);
  }
}
