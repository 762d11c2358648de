/** Tests of webhooks that run or wait in one process. Each counts as one of the requests of the process. */
export const MAX_TESTS = 40;

/** Times of the sender, in ms. No settings: tests replace or shorten them before the server starts. */
export class SenderOptions {
  /** Poll: a change waits at most so long until its wake-up is read. */
  polling = 500;

  /** Lease of a position. Longer than a request: the rest is for the database. */
  lease = 30_000;

  /** A request, from the look-up of the host to the last byte that is read of the answer. */
  timeout = 15_000;

  /** A test waits so long for its place. Shorter than the lease, together with `timeout`. */
  patience = 3_000;
}

export const DEFAULT_OPTIONS = new SenderOptions();
