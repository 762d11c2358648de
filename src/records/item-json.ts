import { escapeLiteral } from 'pg';
import { config } from '../config.js';
import { iso } from '../database/iso.js';

/** Members of an `Item` (item.dto.ts), in its order. */
const membersOf = (record: string, asset: string) => ({
  id: `${record}.item_id`,
  user_id: `${record}.user_id`,
  url: `${escapeLiteral(`${config.PUBLIC_URL}/api/v1/`)} || ${asset} || '/' || ${record}.item_id || '.json'`,
  record_id: `${record}.id`,
  resource_type: `${record}.resource_type`,
  resource_key: `${record}.resource_key`,
  status: `${record}.status`,
  data: `${record}.data`,
  metadata: `${record}.metadata`,
  created_at: iso(`${record}.created_at`),
  updated_at: iso(`${record}.updated_at`),
});

/** Bytes of an item by bytes of its record: the members of `data` are there twice. */
export const ITEM_COPIES = 2;

/**
 * SQL: a record as the JSON text of an `ItemBody`: its item under the name of its type, with the members of `data`
 * beside those of the item, which win. PostgreSQL writes it, with the values as they are stored.
 *
 * @param record alias of the row
 * @param asset expression: the plural of its type
 */
export function itemJson(record: string, asset: string): string {
  const members = Object.entries(membersOf(record, asset));
  const columns = members.map(([name, value]) => `${value} AS ${name}`).join();
  const names = members.map(([name]) => `'${name}'`).join();
  // A type is a plain word, which needs no escaping; in "C", no locale has another lower case for it.
  return `
    '{"' || lower(${record}.resource_type COLLATE "C") || '":' ||
    left(row_to_json((SELECT item FROM (SELECT ${columns}) item))::text, -1) ||
    coalesce((
      SELECT ',' || string_agg(to_json(key)::text || ':' || value::text, ',' ORDER BY place)
      FROM json_each(${record}.data) WITH ORDINALITY AS member (key, value, place)
      WHERE key NOT IN (${names})
    ), '') || '}}'`;
}
