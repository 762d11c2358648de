import { normalizeDatetime } from './client.js';
import { changeOf, type Feed, formatChange, type Item } from './feed.js';

/** The body of a sync response (docs/spec/sync-endpoint.md). */
export interface SyncBody {
  items: Item[];
  meta: {
    rwgps_datetime: string;
    next_sync_url: string;
    item_count: number;
    date_range: { since: string; until: string };
    has_more?: boolean;
  };
}

/**
 * Verifies a sync response by itself: counts, range, order, filter.
 *
 * @param path of the request, for messages
 * @param since cursor of the request
 * @param wants true for the item types that the request asked for
 * @param fail throws the violation
 */
export function verifySyncBody(
  { items, meta }: SyncBody,
  path: string,
  since: string,
  wants: (itemType: string) => boolean,
  fail: Feed['fail'],
): void {
  const until = normalizeDatetime(meta.rwgps_datetime);
  if (meta.item_count !== items.length)
    fail('response', `${path}: item_count is ${meta.item_count}, but there are ${items.length} items`, {});
  if (normalizeDatetime(meta.date_range.until) !== until)
    fail('response', `${path}: date_range.until is not rwgps_datetime`, {});
  if (normalizeDatetime(meta.date_range.since) !== since)
    fail('response', `${path}: date_range.since is not ${since}`, {});
  if (until < since) fail('cursor', `went back from ${since} to ${until}`, {});
  let last = since;
  for (const item of items) {
    const change = formatChange(changeOf(item));
    const subject = { item: item.item_id, datetime: item.datetime };
    if (!wants(item.item_type)) fail('response', `received ${change}, which its filter excludes`, subject);
    if (item.datetime <= since)
      fail('delivered-twice', `received ${change} with the cursor ${since}`, subject);
    if (item.datetime <= last) fail('order', `received ${change} after a change at ${last}`, subject);
    last = item.datetime;
  }
  if (until < last) fail('cursor', `${until} is before the last item, at ${last}`, { datetime: last });
}
