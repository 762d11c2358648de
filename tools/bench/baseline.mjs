// Baseline of the benchmark: Fastify and pg alone, doing the same to the same tables. It trusts the header
// x-user-id to name the caller (no authentication). No validation, no permissions, no pins, no errors, one
// query at a time.
import Fastify from 'fastify';
import { randomUUID } from 'node:crypto';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const rows = async (sql, values, client = pool) => (await client.query(sql, values)).rows;
const userIdOf = (request) => Number(request.headers['x-user-id']);

const RECORD = `id, developer_id AS "developerId", resource_type AS "resourceType",
  resource_key AS "resourceKey", data, last_synced_at AS "lastSyncedAt", status,
  created_at AS "createdAt", updated_at AS "updatedAt", metadata`;
const APPEND = `
  WITH tick AS (
    UPDATE feeds
    SET clock = greatest(
      date_trunc('milliseconds', clock_timestamp()), clock + interval '1 millisecond')
    WHERE user_id = $1 RETURNING user_id, clock, set_config('tidemark.changes_feed', 'on', true)
  ), superseded AS (
    UPDATE change_events SET superseded_at = clock FROM tick
    WHERE change_events.user_id = $1 AND datetime = (
      SELECT datetime FROM change_events WHERE user_id = $1 AND item_id = $3 ORDER BY datetime DESC LIMIT 1)
  )
  INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
  SELECT user_id, clock, $2, 'route', 'routes', coalesce($3::bigint, nextval('item_ids')), user_id FROM tick
  RETURNING datetime, item_id`;

async function transaction(work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } finally {
    client.release();
  }
}

const app = Fastify();
app.get('/health/ready', () => ({}));
app.post('/api/v1/sync/records', async (request, reply) => {
  const { developerId, resourceType, resourceKey, data } = request.body;
  const userId = userIdOf(request);
  reply.status(201);
  return transaction(async (client) => {
    const [{ datetime, item_id }] = await rows(APPEND, [userId, 'created', null], client);
    const insert = `INSERT INTO records VALUES ($1, $2, $3, $4, $5, $6, $7, '{}', 'ACTIVE', $8, $8, $8, octet_length($7::text) + 2)
      RETURNING ${RECORD}`;
    const values = [userId, item_id, randomUUID(), developerId, resourceType, resourceKey, data, datetime];
    return (await rows(insert, values, client))[0];
  });
});
app.patch('/api/v1/sync/records/:id', (request) =>
  transaction(async (client) => {
    const { id } = request.params;
    const userId = userIdOf(request);
    await client.query('SELECT FROM feeds WHERE user_id = $1 FOR NO KEY UPDATE', [userId]);
    const [{ item_id }] = await rows(
      'SELECT * FROM records WHERE id = $1 AND user_id = $2',
      [id, userId],
      client,
    );
    const [{ datetime }] = await rows(APPEND, [userId, 'updated', item_id], client);
    const update = `UPDATE records SET data = $3, updated_at = $4, last_synced_at = $4
      WHERE user_id = $1 AND item_id = $2 RETURNING ${RECORD}`;
    return (await rows(update, [userId, item_id, request.body.data, datetime], client))[0];
  }),
);
app.get(
  '/api/v1/sync/records/:id',
  async ({ params }) => (await rows(`SELECT ${RECORD} FROM records WHERE id = $1`, [params.id]))[0],
);
app.get('/api/v1/sync/records', async (request) => {
  const userId = userIdOf(request);
  const limit = Number(request.query.limit);
  const [{ total }] = await rows('SELECT count(*)::int AS total FROM records WHERE user_id = $1', [userId]);
  const page = `SELECT ${RECORD} FROM records WHERE user_id = $1 ORDER BY item_id LIMIT $2`;
  return { total, page: 1, limit, data: await rows(page, [userId, limit]) };
});
app.get('/api/v1/sync.json', async (request, reply) => {
  const userId = userIdOf(request);
  const { since, limit } = request.query;
  reply.header('x-request-id', request.headers['x-request-id'] ?? '');
  const [{ clock }] = await rows('SELECT clock FROM feeds WHERE user_id = $1', [userId]);
  const etag = `"${userId.toString(36)}-${clock.getTime().toString(36)}"`;
  if (request.headers['if-none-match'] === etag) return reply.header('etag', etag).status(304).send();
  const select = `SELECT * FROM change_events WHERE user_id = $1 AND datetime > $2 AND datetime <= $3
    ORDER BY datetime LIMIT $4`;
  const events = clock > new Date(since) ? await rows(select, [userId, since, clock, limit ?? null]) : [];
  const items = events.map((event) => ({
    item_type: event.item_type,
    item_id: Number(event.item_id),
    item_user_id: event.item_user_id,
    item_url: `${process.env.PUBLIC_URL}/api/v1/${event.asset}/${event.item_id}.json`,
    action: event.action,
    datetime: event.datetime,
    collection: null,
  }));
  const until = events.length === Number(limit) ? events.at(-1).datetime : clock;
  return {
    items,
    meta: { rwgps_datetime: until.toISOString().replace('Z', '+00:00'), item_count: items.length },
  };
});
await app.listen({ port: Number(process.env.PORT) });
process.once('SIGTERM', () => process.exit());
