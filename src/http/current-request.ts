import type { FastifyRequest } from 'fastify';
import { AsyncLocalStorage } from 'node:async_hooks';

/** The credential of a request. */
export interface Credential {
  /** `admin_key`: the key of the settings. `access_token`: of this server, or of the identity provider. */
  readonly kind: 'admin_key' | 'api_key' | 'access_token';
  /** Id of the API key, or of the API client that a token was issued to; null: there is none. */
  readonly id: string | null;
}

/** The `Caller` (src/access) of a request, as far as logs name it. */
export interface Authenticated {
  readonly credential: Credential;
  readonly client?: { readonly id: string };
  readonly developer: { readonly developerId: string } | undefined;
}

type CurrentRequest = FastifyRequest & { user?: Authenticated };

const storage = new AsyncLocalStorage<CurrentRequest>();
let running = 0;

/**
 * Runs work as a part of a request: `currentRequest` finds it.
 *
 * Only for requests that the audit log may name. While an AsyncLocalStorage is in use, Node 20 calls a hook for
 * every promise of the process: an idle poll took 1.3 times the processor time. So it is in use only while such a
 * request runs.
 */
export async function asCurrentRequest<T>(request: CurrentRequest, work: () => Promise<T>): Promise<T> {
  running++;
  try {
    return await storage.run(request, work);
  } finally {
    if (--running === 0) storage.disable();
  }
}

/** The request that the running code belongs to; undefined in background work. `user` is set by the guard. */
export const currentRequest = (): CurrentRequest | undefined => storage.getStore();
