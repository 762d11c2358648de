import helmet, { type HelmetOptions } from 'helmet';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { config } from '../config.js';

/** What people look at: Swagger UI, and the pages of the authorization server. Everything else is data. */
const PAGES = /^\/(docs|oauth)\b/;

/**
 * The security headers of the answer to a request, by its URL.
 *
 * Data gets what a browser may make of data (as OWASP recommends for REST): with all of helmet's headers, most of which
 * speak of pages, a server answered 1.05 to 1.07 times fewer idle polls.
 */
export function securityHeaders(): (url: string) => Record<string, string> {
  const strictTransportSecurity = config.PUBLIC_URL?.startsWith('https:') ?? false;
  const ofPages = headersOf({
    contentSecurityPolicy: {
      directives: {
        // Swagger UI styles its elements inline. Everything else is helmet's default.
        'style-src': ["'self'", "'unsafe-inline'"],
        // Would send browsers to https:// of a server that may only speak http://.
        'upgrade-insecure-requests': null,
      },
    },
    strictTransportSecurity,
  });
  const ofData = headersOf({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    strictTransportSecurity,
    crossOriginOpenerPolicy: false,
    crossOriginResourcePolicy: false,
    originAgentCluster: false,
    referrerPolicy: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xFrameOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
  return (url) => (PAGES.test(url) ? ofPages : ofData);
}

/** What helmet adds: always the same, so it is asked once. */
function headersOf(options: HelmetOptions): Record<string, string> {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  helmet(options)(request, response, () => {});
  return response.getHeaders() as Record<string, string>;
}
