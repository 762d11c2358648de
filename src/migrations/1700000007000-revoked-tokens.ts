import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Access tokens of client credentials that were revoked before they were over. */
export class RevokedTokens1700000007000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE revoked_tokens (
        id varchar(64) NOT NULL,
        expires_at timestamptz(3) NOT NULL,
        CONSTRAINT revoked_tokens_pkey PRIMARY KEY (id)
      )`);
    await queryRunner.query(`CREATE INDEX revoked_tokens_expires_at ON revoked_tokens (expires_at)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE revoked_tokens`);
  }
}
