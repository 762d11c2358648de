import type { FastifyRequest } from 'fastify';
import { forbidden } from '../http/api-error.js';
import type { Authenticated, Credential } from '../http/credential.js';
import type { Scope } from './scopes.js';

/** A developer by both names: `userId` (integer) in the feed, `developerId` (string) in the records API. */
export interface DeveloperIdentity {
  readonly userId: number;
  readonly developerId: string;
}

/** The application that a credential belongs to. */
export interface ClientIdentity {
  readonly id: string;
  /** Null for the server's own client, the page at /docs. */
  readonly owner: DeveloperIdentity | null;
  /** Assets of a feed request without `assets`; null: all. */
  readonly defaultAssets: readonly string[] | null;
}

/** The subject of a valid credential, in one request. */
export class Caller implements Authenticated {
  /** Set by the guard, for the audit log. */
  request?: Pick<FastifyRequest, 'id' | 'ip'>;

  /**
   * The caller as it is now, for requests that last: undefined when the credential is no longer valid. As it was at
   * most 4 s ago.
   */
  renew: () => Promise<Caller | undefined> = () => Promise.resolve(this);

  /**
   * @param developer the developer that the caller acts for; only the admin key of the settings has none
   * @param credential names the key or the token in logs
   * @param client the application that the credential belongs to; undefined: none that is stored here
   * @param isApplication also true for an application of the external token issuer, which is not stored here;
   *   false for the server's own client
   */
  constructor(
    readonly developer: DeveloperIdentity | undefined,
    private readonly scopes: readonly string[],
    readonly credential: Credential,
    readonly client?: ClientIdentity,
    readonly isApplication = Boolean(client?.owner),
  ) {}

  /**
   * What counts as one credential in limits: an API key; all keys and tokens of an application for one developer; all
   * tokens of a developer from another issuer.
   */
  get limitName(): string {
    const { client, developer, credential } = this;
    if (client && developer) return `${client.id} ${developer.userId}`;
    const { kind, id } = credential;
    return kind === 'access_token' ? `tokens ${developer?.userId}` : `${kind} ${id}`;
  }

  get isAdmin(): boolean {
    return this.scopes.includes('sync:admin');
  }

  has(scope: Scope): boolean {
    return this.isAdmin || this.scopes.includes(scope);
  }

  /**
   * The developer that the caller acts for, on routes where a developer is required.
   *
   * @throws ApiError 403 for the admin key of the settings
   */
  ownDeveloper(): DeveloperIdentity {
    if (!this.developer) throw forbidden('This key belongs to no developer.');
    return this.developer;
  }

  /**
   * Refuses applications: only the developer or an admin may do this. The server's own client passes.
   *
   * @throws ApiError 403
   */
  assertNotApplication(): void {
    if (this.isApplication) throw forbidden('Applications cannot do this.');
  }

  /**
   * Refuses callers who may not act on the library of this developer.
   *
   * @throws ApiError 403
   */
  assertActsFor(developerId: string): void {
    if (!this.isAdmin && this.developer?.developerId !== developerId) {
      throw forbidden('This credential belongs to another developer.');
    }
  }
}
