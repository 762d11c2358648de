import { config } from '../config.js';

/** Id of the server's own client, with which Swagger UI at /docs authorizes. */
export const DOCS_CLIENT = '00000000-0000-7000-8000-000000000001';

/** The redirect URI of Swagger UI. */
export const docsRedirectUri = () => `${config.PUBLIC_URL}/docs/oauth2-redirect.html`;
