import { Datetime, Flag, Integer, ListOf, Nested, OffsetDatetime, Url } from '../api/fields.js';
import { config } from '../config.js';
import { DigestBody } from './digest.js';
import type { Chunk } from './read-changes.js';
import { cursorOf } from './since.js';
import { SyncItemBody } from './sync-item.js';
import type { SyncQuery } from './sync-query.js';
import type { SyncRequest } from './sync-request.js';

export const SYNC_PATH = 'api/v1/sync.json';

export class DateRangeBody {
  @Datetime({ description: 'Exclusive start.', example: '2024-09-01T00:00:00Z' })
  since: string;

  @OffsetDatetime({ description: 'Inclusive end.', example: '2024-09-09T22:53:52.000+00:00' })
  until: string;
}

/** spec/sync-endpoint.md, Meta Attributes. */
export class SyncMetaBody {
  @OffsetDatetime({
    description: 'Cursor: the `since` of the next sync request.',
    example: '2024-09-09T22:53:52.000+00:00',
  })
  rwgps_datetime: string;

  @Url({
    description: 'Pre-constructed URL for the next sync request.',
    example:
      'https://sync.example.com/api/v1/sync.json?assets=routes%2Ctrips' +
      '&since=2024-09-09T22%3A53%3A52.000%2B00%3A00',
  })
  next_sync_url: string;

  @Integer(0, Infinity, { description: 'Number of items returned in this response.', example: 4 })
  item_count: number;

  @Nested(DateRangeBody, { description: 'Date range of this response.' })
  date_range: DateRangeBody;

  @Flag({
    optional: true,
    description: 'Only with `limit`: whether there are items after this page.',
    example: false,
  })
  has_more?: boolean;

  @OffsetDatetime({
    optional: true,
    description:
      'Only with retention: the oldest `since` that a request without `compact` may have. Earlier ones get 410.',
    example: '2024-08-09T00:00:00.000+00:00',
  })
  oldest_since?: string;

  @Nested(DigestBody, {
    optional: true,
    description:
      'Only with `digest=true`: proof of the copy, as of `rwgps_datetime`. Absent in a page of a `compact` ' +
      'sync that is not the last.',
  })
  digest?: DigestBody;
}

export class SyncBody {
  @ListOf(SyncItemBody, 'Oldest first.')
  items: SyncItemBody[];

  @Nested(SyncMetaBody, { description: 'Cursor and date range of this response.' })
  meta: SyncMetaBody;
}

/** JSON text of a `SyncBody` before its items. */
export const ANSWER_START = '{"items":[';

/**
 * JSON text of a `SyncBody` after its items. `meta` comes last: an answer that breaks off is not valid JSON.
 *
 * @param last the last chunk of the answer
 * @param count items of all chunks
 * @param digest at `cursorAfter`
 */
export const answerEnd = (request: SyncRequest, last: Chunk, count: number, digest?: DigestBody) =>
  `],"meta":${JSON.stringify(metaOf(request, last, count, digest))}}`;

/** A page that `limit` has cut ends at its last change; every other answer ends at the clock. */
export const cursorAfter = ({ until }: SyncRequest, { hasMore, last }: Chunk): Date =>
  hasMore ? last! : until;

/** The next request of the client: `next_sync_url` is its URL. */
export function nextQueryOf(request: SyncRequest, last: Chunk): SyncQuery {
  const { isInitial, repeated } = request;
  const { compact, ...others } = repeated;
  const { hasMore } = last;
  const isCompactPage = hasMore && compact === 'true';
  return {
    since: cursorOf(cursorAfter(request, last)),
    ...others,
    compact: hasMore ? compact : undefined,
    until: isCompactPage ? cursorOf(request.until) : undefined,
    initial: isCompactPage && isInitial ? 'true' : undefined,
  };
}

function metaOf(
  request: SyncRequest,
  last: Chunk,
  count: number,
  digest: DigestBody | undefined,
): SyncMetaBody {
  const { since, limit, oldestSince } = request;
  const until = cursorOf(cursorAfter(request, last));
  return {
    rwgps_datetime: until,
    next_sync_url: syncUrlOf(nextQueryOf(request, last)),
    item_count: count,
    date_range: { since: new Date(since).toISOString().replace('.000Z', 'Z'), until },
    ...(limit === Infinity ? {} : { has_more: last.hasMore }),
    ...(oldestSince && { oldest_since: cursorOf(oldestSince) }),
    // undefined: left out of the JSON
    digest,
  };
}

/** URL of a new first sync, of the same assets. */
export const resyncUrlOf = ({ repeated: { assets, developerId, wait } }: SyncRequest) =>
  syncUrlOf({ assets, since: '1970-01-01T00:00:00Z', developerId, compact: 'true', wait });

/** URL of a sync request. */
function syncUrlOf({ assets, since, developerId, compact, until, initial, wait }: SyncQuery): string {
  const query = Object.entries({ assets, since, developerId, compact, until, initial, wait })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return `${config.PUBLIC_URL}/${SYNC_PATH}?${query.join('&')}`;
}
