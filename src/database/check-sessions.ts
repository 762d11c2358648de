import type { ClientConfig } from 'pg';
import { PostgresClient, SETTINGS } from './postgres-client.js';

/** A pooler that shares sessions is noticed in the first round, unless other clients take part. */
const ROUNDS = 3;

/** ms for each answer, if the options set no limit. */
const TIMEOUT = 10_000;

const SHARED =
  'a connection pooler shares its sessions between clients: use session pooling (pool_mode = session of PgBouncer)';

/**
 * Makes sure that a connection is one session of PostgreSQL, with our settings. Settings, prepared statements and
 * the startup lock belong to the session; behind a pooler that gives each transaction another one, they would be
 * in force for some statements, of any client.
 *
 * @throws Error with one line
 */
export async function checkSessions(options: ClientConfig): Promise<void> {
  const [one, two] = [1, 2].map(() => new PostgresClient({ query_timeout: TIMEOUT, ...options }));
  try {
    await one.connect();
    await two.connect();
    for (let round = 0; round < ROUNDS; round++) await expectOwnSessions(one, two);
    const { rows } = await one.query('SELECT name, setting FROM pg_settings WHERE name = ANY ($1)', [
      Object.keys(SETTINGS),
    ]);
    const inForce = new Map(rows.map(({ name, setting }) => [name, setting]));
    const lost = Object.entries(SETTINGS).flatMap(([name, value]) =>
      inForce.get(name) === value ? [] : name,
    );
    if (lost.length > 0) throw new Error(`its connections do not keep the setting of ${lost.join(', ')}`);
  } finally {
    for (const client of [one, two]) void client.end().catch(() => {});
  }
}

/** Two open connections have two sessions, and keep them. */
async function expectOwnSessions(one: PostgresClient, two: PostgresClient): Promise<void> {
  // Twice: a pooler in turn (`server_round_robin`) gives the second transaction another session than the first.
  const own = [await pidOf(one), await pidOf(one)];
  // Statement pooling refuses it.
  await two.query('BEGIN').catch((cause) => {
    throw new Error(SHARED, { cause });
  });
  try {
    if (own.includes(await pidOf(two))) throw new Error(SHARED);
    own.push(await pidOf(one));
  } finally {
    await two.query('ROLLBACK');
  }
  if (new Set(own).size > 1) throw new Error(SHARED);
}

const pidOf = async (client: PostgresClient) =>
  (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid as number;
