import { rmSync } from 'node:fs';
import pg from 'pg';

export default async function globalTeardown(): Promise<void> {
  rmSync(process.env.TEST_DIRECTORY!, { recursive: true, force: true });
  if (process.env.TEST_DATABASE_URL) {
    const client = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
    await client.connect();
    await client.query(`DROP DATABASE ${process.env.TEST_DATABASE_NAME} WITH (FORCE)`);
    await client.end();
  }
}
