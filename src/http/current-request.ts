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

/** The request that the running code belongs to; none in background work. `user` is set by the guard. */
export const currentRequest = new AsyncLocalStorage<FastifyRequest & { user?: Authenticated }>();
