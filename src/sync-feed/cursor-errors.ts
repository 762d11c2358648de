import { ApiError, type ErrorCode } from '../http/api-error.js';
import { syncUrlOf } from './sync-answer.js';
import type { SyncRequest } from './sync-request.js';

/** The parameters of a request that its first sync repeats. */
type Repeated = Pick<SyncRequest['repeated'], 'assets' | 'developerId'>;

/** 410: a client cannot go on from its cursor. Its `resync_url` starts a new first sync. */
const gone = (code: ErrorCode, error: string, details: string, { assets, developerId }: Repeated) =>
  new ApiError(
    410,
    code,
    error,
    details,
    {},
    {
      resync_url: syncUrlOf({ assets, since: '1970-01-01T00:00:00Z', developerId, compact: 'true' }),
    },
  );

export const cursorLost = ({ repeated }: { repeated: Repeated }) =>
  gone(
    'cursor_lost',
    'Cursor lost',
    'The database was restored to an earlier time. Build a new copy from resync_url, then replace the old one.',
    repeated,
  );

export const cursorExpired = ({ repeated }: { repeated: Repeated }) =>
  gone(
    'cursor_expired',
    'Cursor expired',
    'The changes since then are pruned. Build a new copy from resync_url, then replace the old one.',
    repeated,
  );
