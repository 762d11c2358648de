import { config } from '../config.js';
import { html } from './html.js';
import { page } from './page.js';

/** The answer to a person who opens a path that does not exist. */
export const NOT_FOUND_PAGE = page(
  'Page not found',
  html`<p>There is nothing at this address.</p>
    <p>
      The <a href="${config.PUBLIC_URL}/docs">documentation</a> lists every path. The
      <a href="${config.PUBLIC_URL}/">start page</a> says how to begin.
    </p>`,
);
