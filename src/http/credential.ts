/** The credential of a request. */
export interface Credential {
  /** `admin_key`: the key of the settings. `access_token`: of this server, or of the identity provider. */
  readonly kind: 'admin_key' | 'api_key' | 'access_token';
  /** Id of the API key, or of the API client that a token was issued to; null: there is none. */
  readonly id: string | null;
}

/** The `Caller` (src/access) of a request, as far as its line in the log names it. */
export interface Authenticated {
  readonly credential: Credential;
  readonly client?: { readonly id: string };
}
