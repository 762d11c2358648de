/** What the tour of a generated client gets. */
export interface Environment {
  /** Base URL: the validating proxy. */
  url: string;
  /** The server itself. The proxy would follow a redirect. */
  serverUrl: string;
  adminKey: string;
  /** URL of a receiver of webhooks. */
  receiverUrl: string;
  /** Records each request and its answer. */
  fetch: typeof fetch;
  /** Polls until the condition holds. */
  until: (condition: () => Promise<boolean>) => Promise<unknown>;
  /** Tells the receiver the secret of an endpoint. */
  trust: (secret: string) => void;
  /** Logs in as the developer, and consents. @returns the code, and the verifier of PKCE */
  authorize: (
    clientId: string,
    redirectUri: string,
    developerId: string,
  ) => Promise<{ code: string; verifier: string }>;
}
