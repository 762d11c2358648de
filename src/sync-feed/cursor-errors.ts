import { ApiError, type ErrorCode } from '../http/api-error.js';

/** 410: a client cannot go on from its cursor. @param resyncUrl starts a new first sync */
const gone = (code: ErrorCode, error: string, reason: string, resyncUrl: string) => {
  const details = `${reason} Build a new copy from resync_url, then replace the old one.`;
  return new ApiError(410, code, error, details, {}, { resync_url: resyncUrl });
};

export const cursorLost = (resyncUrl: string) =>
  gone('cursor_lost', 'Cursor lost', 'The database was restored to an earlier time.', resyncUrl);

export const cursorExpired = (resyncUrl: string) =>
  gone('cursor_expired', 'Cursor expired', 'The changes since then are pruned.', resyncUrl);

/** The cursor is older than its feed: it may be of an erased developer with the same `developerId`. */
export const cursorErased = (resyncUrl: string) =>
  gone('cursor_expired', 'Cursor expired', 'The library that it belongs to was erased.', resyncUrl);
