// For create-app.ts, until it imports from docs-client.js.
export { DOCS_CLIENT, docsRedirectUri } from './docs-client.js';
