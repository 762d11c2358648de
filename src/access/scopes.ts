/** What a credential may do (spec/records-api.md, section 3). `sync:admin` includes the other two. */
export const SCOPES = ['sync:read', 'sync:write', 'sync:admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Scopes of an application. Administration is never granted to one. */
export const CLIENT_SCOPES = ['sync:read', 'sync:write'] as const satisfies Scope[];
