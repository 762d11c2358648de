import { expect } from '@jest/globals';
import type { Api } from './api.js';
import type { SyncClient } from './sync-client.js';
import { until } from './until.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- rows of any query
type Query = (sql: string, values?: unknown[]) => Promise<any[]>;

/** Waits until no job of delivery to followers is pending. */
export function settle(query: Query): Promise<void> {
  return until(async () => {
    const [{ count }] = await query(
      `SELECT count(*)::int AS count FROM pgboss.job WHERE name = 'followers' AND state < 'completed'`,
    );
    return count === 0;
  });
}

/**
 * Expects that a client which has caught up has an exact copy: the developer's own items and those of its
 * collection, each `item_url` with the content in the database, and no pin without a share.
 */
export async function expectLibrary(
  query: Query,
  client: SyncClient,
  api: Api,
  developerId: string,
): Promise<void> {
  const contents = async (items: SyncClient['items']) => {
    const pages = await Promise.all([...items.values()].map((item) => api.get(item.item_url)));
    return Object.fromEntries(
      pages.map(({ status, body }) => {
        expect(status).toBe(200);
        const [item] = Object.values<{ id: number; data: unknown; status: string; updated_at: string }>(body);
        return [item.id, { data: item.data, status: item.status, updated_at: item.updated_at }];
      }),
    );
  };
  const expected = async (condition: string) => {
    const rows = await query(
      `SELECT r.item_id, r.data, r.status, r.updated_at FROM records r, developers d
       WHERE d.developer_id = $1 AND ${condition}`,
      [developerId],
    );
    return Object.fromEntries(
      rows.map((row) => [
        row.item_id,
        { data: row.data, status: row.status, updated_at: row.updated_at.toISOString() },
      ]),
    );
  };
  const isPinned = 'EXISTS (SELECT FROM pins p WHERE p.user_id = d.user_id AND p.item_id = r.item_id)';
  expect(await contents(client.items)).toEqual(await expected('r.user_id = d.user_id'));
  expect(await contents(client.pinned)).toEqual(await expected(isPinned));
  const [{ count }] = await query(
    `SELECT count(*)::int AS count FROM pins p JOIN developers d ON d.user_id = p.user_id
     WHERE d.developer_id = $1 AND p.item_user_id <> d.user_id AND NOT EXISTS (
       SELECT FROM shares s
       WHERE (s.user_id, s.item_id, s.reader_user_id) = (p.item_user_id, p.item_id, d.user_id))`,
    [developerId],
  );
  expect(count).toBe(0);
}
