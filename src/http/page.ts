import type { FastifyReply } from 'fastify';
import { createHash } from 'node:crypto';
import { config } from '../config.js';
import { Html, html } from './html.js';
import { publicPath } from './public-path.js';
import { PAGE_HEADERS } from './security-headers.js';

/**
 * Works from a width of 320 px on, follows the system's dark mode, and keeps the browser's focus ring. The
 * primary button has a contrast of 6.6 (light) and 7.4 (dark); WCAG 2.2 asks for 4.5.
 */
const STYLE = `
:root{background:Canvas;color:CanvasText;color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:26rem;padding:1.5rem 1rem;
  overflow-wrap:anywhere}
header{font-weight:600}
h1{font-size:1.5rem;line-height:1.25}
h2{font-size:1.25rem;line-height:1.25;margin-top:2rem}
label{display:block;font-weight:600;margin-top:1rem}
input{box-sizing:border-box;font:inherit;padding:.5rem;width:100%}
button{font:inherit;margin:1.25rem .75rem 0 0;min-height:2.75rem;padding:.5rem 1.25rem}
button.primary{background:#0b57d0;border:.125rem solid #0b57d0;border-radius:.25rem;color:#fff;font-weight:600}
input[readonly]{background:none;border:0;padding:0}
li button{margin:.25rem 0 1rem}
[role=alert]{border-left:.25rem solid #c00;margin:1rem 0;padding:.25rem .75rem}
[role=status]{border-left:.25rem solid #188038;margin:1rem 0;padding:.25rem .75rem}
@media (prefers-color-scheme:dark){
  button.primary{background:#a8c7fa;border-color:#a8c7fa;color:#062e6f}
}
`;

const STYLE_HASH = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

/**
 * Content-Security-Policy of a page: its style, its icon and its forms, nothing else. No frame may show it
 * (clickjacking).
 *
 * @param formAction origin or scheme to which a form may be redirected, besides this server
 */
const pagePolicy = (formAction = '') =>
  `default-src 'none'; style-src ${STYLE_HASH}; img-src 'self'; ` +
  `form-action 'self'${formAction && ` ${formAction}`}; frame-ancestors 'none'; base-uri 'none'`;

/** The same of the pages of `oidc-provider`, without `form-action`: their forms may redirect to any client. */
export const LIBRARY_POLICY =
  `default-src 'none'; script-src 'none'; style-src ${STYLE_HASH}; img-src 'self'; ` +
  `frame-ancestors 'none'; base-uri 'none'`;

/** Not through `html`: the policy has the hash of exactly this text. */
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);

/** An HTML document under the operator's name. @param title its heading, and its title in the browser */
export const page = (title: string, body: Html) =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title} - ${config.SERVICE_NAME}</title>
        <link rel="icon" href="${publicPath('/favicon.svg')}" type="image/svg+xml" />
        ${STYLE_ELEMENT}
      </head>
      <body>
        <header>${config.SERVICE_NAME}</header>
        <main>
          <h1>${title}</h1>
          ${body}
        </main>
      </body>
    </html> `.text;

/** Answers with a page. @param formAction see `pagePolicy` */
export function sendPage(reply: FastifyReply, status: number, text: string, formAction?: string): void {
  void reply
    .status(status)
    .headers({
      ...PAGE_HEADERS,
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': pagePolicy(formAction),
      'cache-control': 'no-store',
      // Browsers then send Origin with a form, and the URL of a page to this server only.
      'referrer-policy': 'same-origin',
    })
    .send(text);
}
