import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What people call a developer. */
export class DeveloperNames1700000004500 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE developers ADD name varchar(255), ADD updated_at timestamptz(3)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE developers DROP name, DROP updated_at`);
  }
}
