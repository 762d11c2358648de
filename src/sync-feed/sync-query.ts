import { Allow, IsIn, ValidateBy } from 'class-validator';
import { Field, OffsetDatetime, QueryInteger, Text } from '../api/fields.js';
import { ALL_ASSETS, ASSET_NAMES, isAsset } from '../api/resource-type.js';
import { isDatetime, isText } from '../api/rules.js';

export const MAX_LIMIT = 10_000;

/** Seconds. Proxies and clients cut off a request without an answer after 60. */
export const MAX_WAIT = 55;

const ASSETS = /^(\*|[A-Za-z][\w-]*(,[A-Za-z][\w-]*)*)$/;

const areAssets = (value: unknown): value is string =>
  typeof value === 'string' && (value === ALL_ASSETS || value.split(',').every(isAsset));

const AreAssets = () =>
  ValidateBy({
    name: 'areAssets',
    validator: {
      validate: areAssets,
      defaultMessage: () => `assets must be *, or a comma-separated list of ${ASSET_NAMES}`,
    },
  });

/** Query of a sync request (spec/sync-endpoint.md, Request). */
export class SyncQuery {
  @Field({ type: String }, [Allow()], {
    description:
      'ISO8601 formatted datetime: any of its forms that names one moment; a date alone is midnight, no ' +
      'offset means UTC. Exclusive: the answer has only changes after it. `1970-01-01T00:00:00Z` returns the ' +
      'whole library.',
    example: '1970-01-01T00:00:00Z',
  })
  since: unknown;

  @Field({ type: String }, [AreAssets()], {
    optional: true,
    description:
      'Comma-separated list of asset types to return: `routes`, `trips`, `routes,trips` or the plural ' +
      'of any other type, in any case; `trip` means `trips`; `*` for all types. A type without records matches ' +
      'nothing yet; a name that no type can have is refused. Default: the ' +
      '`defaultAssets` of the API client of the credential, if any; all types otherwise.',
    pattern: ASSETS.source,
  })
  assets?: string;

  @QueryInteger(MAX_LIMIT, {
    optional: true,
    description: 'Maximum number of items. `meta.has_more` is true if there are more. Default: no limit.',
  })
  limit?: number;

  @Field({ type: 'boolean' }, [IsIn(['true', 'false'])], {
    optional: true,
    default: false,
    description:
      '`true`: each item and each pin at most once, with its latest change. For an initial sync: its cost ' +
      'depends on the size of the library, not of its history. Items that were created and deleted after ' +
      '`since` are left out. `meta.next_sync_url` of the last page does not repeat the parameter.',
  })
  compact?: 'true' | 'false';

  @OffsetDatetime({
    optional: true,
    description:
      'Only with `compact`: the pages of one sync all end at the clock of the first one. Set by ' +
      '`meta.next_sync_url`; a client does not choose it.',
  })
  until?: string;

  @Field({ type: 'boolean' }, [IsIn(['true', 'false'])], {
    optional: true,
    description:
      'Only with `until`, set by `meta.next_sync_url`: the pages of a first sync, before which there was no copy.',
  })
  initial?: 'true' | 'false';

  @Field({ type: 'boolean' }, [IsIn(['true', 'false'])], {
    optional: true,
    default: false,
    description:
      '`true`: `meta.digest` is a hash of the whole library (of these `assets`) at `meta.rwgps_datetime`. ' +
      'A client computes the same from its copy, after a first sync and, say, once a day. ' +
      '`meta.next_sync_url` does not repeat the parameter.',
  })
  digest?: 'true' | 'false';

  @QueryInteger(MAX_WAIT, {
    optional: true,
    description:
      'Long polling, in seconds: an answer without items (or 304) is held until a change comes, at most for so ' +
      'long. `Prefer: wait=n` (RFC 7240) means the same. `meta.next_sync_url` repeats the parameter. ' +
      'Default: the answer comes at once.',
  })
  wait?: number;

  @Text(255, {
    optional: true,
    description: 'Developer whose feed is read. Required for admins. Default: the own developer.',
  })
  developerId?: string;

  /**
   * Hot path: the same rules as above, checked by hand. class-validator took a tenth of an idle poll.
   *
   * @param query from Fastify: strings; lists of strings for repeated parameters
   * @returns undefined for an invalid query; class-validator then gives the error message
   */
  static parse(query: Record<string, unknown>): SyncQuery | undefined {
    const { since, assets, limit, compact, until, initial, digest, wait, developerId, ...unknown } = query;
    const isValid =
      Object.keys(unknown).length === 0 &&
      (assets === undefined || areAssets(assets)) &&
      isCount(limit, MAX_LIMIT) &&
      isFlag(compact) &&
      (until === undefined || isDatetime(until)) &&
      isFlag(initial) &&
      isFlag(digest) &&
      isCount(wait, MAX_WAIT) &&
      (developerId === undefined || isText(developerId, 1, 255));
    if (!isValid) return undefined;
    return {
      since,
      assets,
      limit: limit === undefined ? undefined : Number(limit),
      compact,
      until,
      initial,
      digest,
      wait: wait === undefined ? undefined : Number(wait),
      developerId,
    };
  }
}

const isFlag = (value: unknown) => value === undefined || value === 'true' || value === 'false';

const isCount = (value: unknown, max: number): value is string | undefined =>
  value === undefined ||
  (typeof value === 'string' && /^\d{1,16}$/.test(value) && Number(value) >= 1 && Number(value) <= max);
