// `npm run schema:dump` writes test/schema.sql, the schema after all migrations, as pg_dump of PostgreSQL 15
// prints it; with `--check` it fails if the file is stale. Needs pg_dump, and a server of that version in
// TEST_DATABASE_URL or DATABASE_URL, on which it creates a database of its own.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { URL } from 'node:url';
import { ensureBuilt } from './prepare.mjs';

const FILE = 'test/schema.sql';
const server = process.env.TEST_DATABASE_URL ?? process.env.DATABASE_URL;
if (!server) {
  console.error(
    'Set TEST_DATABASE_URL to a PostgreSQL 15 server, such as postgres://postgres@127.0.0.1:5432.',
  );
  process.exit(1);
}
await ensureBuilt();
const { default: pg } = await import('pg');

const name = `tidemark_schema_${process.pid}`;
const url = new URL(server);
url.pathname = `/${name}`;

const client = new pg.Client({ connectionString: server });
await client.connect();
let dump;
try {
  await client.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  // Set before the import: the module reads the settings when it is loaded.
  process.env.DATABASE_URL = url.href;
  const { default: dataSource } = await import('../dist/ormconfig.js');
  await dataSource.initialize();
  await dataSource.migrate();
  await dataSource.destroy();
  dump = execFileSync('pg_dump', ['--schema-only', '--no-owner', '--no-privileges', url.href], {
    encoding: 'utf8',
  });
} finally {
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await client.end();
}

// Drops comments, session settings and psql commands: they differ between minor versions.
const text = `${dump
  .replace(/^(--|\\|SET |SELECT pg_catalog\.set_config).*$/gm, '')
  .replace(/\n{3,}/g, '\n\n')
  .trim()}\n`;
if (!process.argv.includes('--check')) writeFileSync(FILE, text);
else if (readFileSync(FILE, 'utf8') !== text) {
  console.error(`${FILE} is stale: run \`npm run schema:dump\` and commit the result.`);
  process.exitCode = 1;
}
