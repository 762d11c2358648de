/** Scopes of a credential (spec/records-api.md, section 3). `sync:admin` includes the other two. */
export const SCOPES = ['sync:read', 'sync:write', 'sync:admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Scopes that an application can have: all but `sync:admin`. */
export const CLIENT_SCOPES = ['sync:read', 'sync:write'] as const satisfies Scope[];
