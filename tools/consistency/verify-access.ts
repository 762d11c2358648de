import { isDeepStrictEqual } from 'node:util';
import { changeOf, formatChange, type Item, itemIdOf } from './feed.js';
import type { Follower } from './follower.js';
import type { Entry } from './history.js';
import { contentOf, type Developer, type KnownRecord, type Model } from './model.js';
import { readPages, type ServerState } from './server-state.js';

/**
 * A developer's collection, feed and access rights agree.
 *
 * @param records the known records of all developers, by item id
 * @param followers of this developer's feed
 * @throws Violation
 */
export async function verifyCollection(
  model: Model,
  { developer, items, copy, collection, client }: ServerState,
  records: Map<number, KnownRecord>,
  followers: readonly Follower[],
): Promise<void> {
  const { feed, developerId } = developer;
  const pins = new Set([...copy.entries.keys()].filter((key) => key.startsWith('pin')).map(itemIdOf));
  for (const item of new Set([...pins, ...collection.keys()])) {
    if (pins.has(item) !== collection.has(item))
      feed.fail(
        'undelivered',
        `item ${item} is ${pins.has(item) ? '' : 'not '}pinned in the feed, but the collection disagrees`,
        { item, record: records.get(item)?.id },
      );
  }
  for (const follower of followers.filter(({ style }) => style.isFetching)) {
    for (const item of pins) {
      const [actual, expected] = [follower.contents.get(item), collection.get(item)];
      if (!actual || !isDeepStrictEqual(contentOf(actual), contentOf(expected!)))
        feed.fail('undelivered', `${follower.name} does not have the latest content of pinned item ${item}`, {
          item,
          follower: follower.name,
          record: expected!.record_id,
        });
    }
  }
  for (const item of items.filter(({ item_user_id }) => item_user_id !== feed.userId)) {
    const record = records.get(item.item_id);
    const isAllowed =
      record &&
      record.shareWith(developer).requests.on.length > 0 &&
      record.pinOf(developer).requests.on.length > 0;
    if (!isAllowed)
      feed.fail(
        'permission',
        `${formatChange(changeOf(item))} is of another developer's item that was never shared and pinned`,
        { item: item.item_id, datetime: item.datetime },
      );
  }
  for (const [item, record] of records) {
    const changes = items.filter(({ item_id }) => item_id === item);
    verifyPin(model, record, developer, collection.has(item), changes);
    // A share appends no event, so the right to read is tested by a request.
    const mayRead = record.owner === developer || record.shareWith(developer).value;
    const { status } =
      mayRead === false && !record.mayBeDeleted
        ? await client.get(`/api/v1/sync/records/${record.id}`)
        : { status: 403 };
    if (status > 0 && status < 500 && status !== 403)
      model.fail('permission', `${developerId} gets ${status}, but it is not shared`, record);
  }
}

function verifyPin(
  model: Model,
  record: KnownRecord,
  developer: Developer,
  isPinned: boolean,
  changes: Item[],
): void {
  const { developerId } = developer;
  const pin = record.pinOf(developer);
  const share = record.shareWith(developer);
  if (pin.value === false && isPinned)
    model.fail('lost', `${developerId} has unpinned it, but it is in the collection`, record);
  const added = changes.filter(({ action }) => action === 'added').length;
  if (added > pin.requests.on.length)
    model.fail(
      'delivered-twice',
      `the feed of ${developerId} has ${added} "added" for ${pin.requests.on.length} requests`,
      record,
    );
  const isCertain =
    pin.value === true &&
    !record.mayBeDeleted &&
    (record.owner === developer || share.requests.off.length === 0);
  if (!isCertain) return;
  if (!isPinned) model.fail('lost', `${developerId} has pinned it, but it is not in the collection`, record);
  if (record.owner === developer || pin.requests.on.length > 1 || pin.requests.off.length > 0) return;
  // Pinned once and for all: count the updates since then.
  const [pinning]: Entry[] = pin.requests.on;
  const patches = record.writes.filter(({ operation }) => operation === 'patch');
  const acknowledged = patches.filter(({ outcome }) => outcome === 'acknowledged');
  const least = acknowledged.filter(({ entry }) => entry.sent > pinning.done!).length;
  const most = patches.filter(
    ({ outcome, entry }) =>
      outcome === 'unknown' || (outcome === 'acknowledged' && entry.done! > pinning.sent),
  ).length;
  const updated = changes.filter(({ action }) => action === 'updated').length;
  const received = `the feed of ${developerId} has ${updated} updates since it was pinned`;
  if (updated < least) model.fail('undelivered', `${received}, but there were at least ${least}`, record);
  if (updated > most) model.fail('delivered-twice', `${received}, but there were at most ${most}`, record);
}

/**
 * The lists of shares agree with the acknowledged requests.
 *
 * @throws Violation
 */
export async function verifyShares(model: Model, { developer, client }: ServerState): Promise<void> {
  for (const record of model.recordsOf(developer).filter(({ mayBeDeleted }) => !mayBeDeleted)) {
    const shares = await readPages<{ developerId: string }>(
      client,
      `/api/v1/sync/records/${record.id}/shares?`,
      'data',
    );
    for (const other of model.developers) {
      const { value } = record.shareWith(other);
      const isShared = shares.some(({ developerId }) => developerId === other.developerId);
      if (other !== developer && value !== undefined && value !== isShared)
        model.fail(
          'lost',
          `it ${value ? 'was' : 'was not'} shared with ${other.developerId}, but its shares disagree`,
          record,
        );
    }
  }
}
