import type { ServerResponse } from 'node:http';

/** Runs when the answer is sent or its client is gone: at once if that was before, since no event comes then. */
export function whenClosed(response: ServerResponse, run: () => void): void {
  if (response.destroyed || response.closed) run();
  else response.once('close', run);
}
