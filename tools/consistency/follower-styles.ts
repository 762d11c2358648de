/** How a client follows its feed. */
export interface Style {
  /** Derives the stored cursor from `rwgps_datetime`. Undefined: the client follows `next_sync_url`. */
  cursor?: (datetime: string) => string;
  /** Requests pages of random size. */
  isPaging?: boolean;
  /** Follows a subset of the asset types. */
  isFiltering?: boolean;
  /** Aborts some requests in the middle of the response, and retries. */
  isAborting?: boolean;
  /** Requests some pages twice. */
  isRepeating?: boolean;
  /** Sends the ETag of the last response when it repeats a request. */
  isConditional?: boolean;
  /** Starts with `compact=true`. */
  isCompact?: boolean;
  /** Long polling: requests wait for changes. */
  isWaiting?: boolean;
  /** Server-sent events; drops each connection after a while, and resumes with Last-Event-ID. */
  isStreaming?: boolean;
  /** Fetches the content of changed items at once. */
  isFetching?: boolean;
}

const asIs = (datetime: string) => datetime;

export const STYLES: Record<string, Style> = {
  next_sync_url: { isFetching: true },
  rwgps_datetime: { cursor: asIs },
  'JavaScript Date': { cursor: (datetime) => new Date(datetime).toISOString() },
  pages: { isPaging: true, isFetching: true },
  'asset filter': { isFiltering: true },
  'dropped connections': { cursor: asIs, isAborting: true },
  'page retries': { isPaging: true, isRepeating: true },
  'If-None-Match': { isConditional: true },
  'compact start': { isCompact: true },
  'compact start in pages': { isCompact: true, isPaging: true, cursor: asIs },
  'long poll': { isWaiting: true, isFetching: true },
  'long poll, asset filter': { isWaiting: true, isFiltering: true },
  'event stream': { isStreaming: true },
  'compact event stream in pages': { isStreaming: true, isCompact: true, isPaging: true },
};
