import { forbidden } from '../common/api-error.js';
import type { ApiClient } from './api-client.entity.js';
import type { DeveloperIdentity } from './developers.service.js';

/** What a credential may do (spec/records-api.md, section 3). `sync:admin` includes the other two. */
export const SCOPES = ['sync:read', 'sync:write', 'sync:admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** The application that a request comes from. */
export type ClientIdentity = Readonly<Pick<ApiClient, 'id' | 'owner' | 'defaultAssets'>>;

/** Who is calling: the subject of a valid credential. */
export class Caller {
  /**
   * @param developer the developer that the caller acts for; only the operator's admin key has none
   * @param client the application that the credential belongs to; undefined: to none
   */
  constructor(
    readonly developer: DeveloperIdentity | undefined,
    private readonly scopes: readonly string[],
    readonly client?: ClientIdentity,
  ) {}

  get isAdmin(): boolean {
    return this.scopes.includes('sync:admin');
  }

  has(scope: Scope): boolean {
    return this.isAdmin || this.scopes.includes(scope);
  }

  /**
   * The developer that the caller acts for, where only that one can be meant.
   *
   * @throws ApiError 403 for the operator's admin key
   */
  ownDeveloper(): DeveloperIdentity {
    if (!this.developer) throw forbidden('This key belongs to no developer.');
    return this.developer;
  }

  /**
   * Is it the developer, or an admin, who is calling, rather than an application that was let in?
   *
   * @throws ApiError 403
   */
  assertIsOwn(): void {
    if (this.client?.owner) throw forbidden('Applications cannot do this.');
  }

  /**
   * May the caller act on this developer's own library?
   *
   * @throws ApiError 403
   */
  assertActsFor(developerId: string): void {
    if (!this.isAdmin && this.developer?.developerId !== developerId) {
      throw forbidden('This credential belongs to another developer.');
    }
  }
}
