import type { FastifyInstance } from 'fastify';
import { config } from '../config.js';
import { varyOn } from './cors.js';
import { VERSION } from '../version.js';
import { html } from './html.js';
import { page, sendPage } from './page.js';
import { prefersHtml } from './prefers-html.js';

/** A mark of the tide: two waves below a line. */
const FAVICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b57d0"/>' +
  '<path d="M6 11h20M6 18c3.3-3 6.7-3 10 0s6.7 3 10 0M6 24c3.3-3 6.7-3 10 0s6.7 3 10 0" fill="none" ' +
  'stroke="#fff" stroke-width="2.5" stroke-linecap="round"/></svg>';

const at = (path: string) => config.PUBLIC_URL + path;
const SYNC = at('/api/v1/sync.json?since=1970-01-01T00:00:00Z');

/** For programs: the software, its version, the operator's name, and where things are. */
const HOME = {
  name: 'Tidemark',
  version: VERSION,
  service: config.SERVICE_NAME,
  links: {
    docs: at('/docs'),
    openapi: at('/docs-json'),
    health: at('/health/ready'),
    sync: SYNC,
    oauth: at('/.well-known/oauth-authorization-server'),
    account: at('/oauth/account'),
  },
};

/** The same for people. */
const HOME_PAGE = page(
  'Sync server',
  html`<p>
      This server stores JSON records for developers. Any client keeps an exact copy of a developer’s records
      by polling one URL with one datetime. It runs Tidemark ${VERSION}.
    </p>
    <ul>
      <li><a href="${at('/docs')}">Documentation</a>, where you can try every route</li>
      <li><a href="${at('/docs-json')}">OpenAPI document</a>, for programs that generate clients</li>
      <li><a href="${at('/oauth/account')}">Your account</a>: your password, and applications with access</li>
      <li><a href="${at('/health/ready')}">Health</a></li>
    </ul>
    <h2>Sync</h2>
    <p>Request this URL with the header <code>Authorization: Bearer</code> and your API key:</p>
    <p><code>${SYNC}</code></p>
    <h2>Get an API key</h2>
    <p>Ask the operator of ${config.SERVICE_NAME} for one.</p>
    <p>
      Are you the operator? The first start with the embedded database stores an admin key in the file
      <code>admin-api-key</code> of the data directory; otherwise it is the setting
      <code>ADMIN_API_KEY</code>. With the admin key, <code>POST /api/v1/api-keys</code> makes keys of
      developers.
    </p>`,
);

/** Mounts the page at the address of the server, and its icon. */
export function mountHome(fastify: FastifyInstance): void {
  fastify.get('/', (request, reply) => {
    void reply.header('vary', varyOn('Accept'));
    if (prefersHtml(request)) sendPage(reply, 200, HOME_PAGE);
    else void reply.header('cache-control', 'no-cache').send(HOME);
  });
  // Browsers request the second one for documents that name no icon, such as JSON.
  for (const url of ['/favicon.svg', '/favicon.ico'])
    fastify.get(url, (_request, reply) => {
      void reply.headers({ 'content-type': 'image/svg+xml', 'cache-control': 'public, max-age=86400' });
      void reply.send(FAVICON);
    });
}
