import { createHash } from 'node:crypto';
import { Html, html } from './html.js';

/** Works from a width of 320 px on, follows the system's dark mode, and keeps the browser's focus ring. */
const STYLE = `
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:26rem;padding:1.5rem 1rem;
  overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25}
label{display:block;font-weight:600;margin-top:1rem}
input{box-sizing:border-box;font:inherit;padding:.5rem;width:100%}
button{font:inherit;margin:1.25rem .75rem 0 0;min-height:2.75rem;padding:.5rem 1.25rem}
[role=alert]{border-left:.25rem solid #c00;margin:1rem 0;padding:.25rem .75rem}
`;

const STYLE_HASH = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

/**
 * Content-Security-Policy of a page: its style and its forms, nothing else. No frame may show it
 * (clickjacking).
 *
 * @param formAction origin or scheme to which a form may be redirected, besides this server
 */
export const pagePolicy = (formAction = '') =>
  `default-src 'none'; style-src ${STYLE_HASH}; form-action 'self'${formAction && ` ${formAction}`}; ` +
  `frame-ancestors 'none'; base-uri 'none'`;

/** The same of the library's own pages, without `form-action`: their forms may redirect to any client. */
export const LIBRARY_POLICY =
  `default-src 'none'; script-src 'none'; style-src ${STYLE_HASH}; ` +
  `frame-ancestors 'none'; base-uri 'none'`;

/** Not through `html`: the policy has the hash of exactly this text. */
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);

const page = (title: string, body: Html) =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title} - Tidemark</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${body}
        </main>
      </body>
    </html> `.text;

const alert = (message: string | undefined) =>
  message === undefined ? undefined : html`<p role="alert" id="problem">${message}</p>`;

/** Attributes of a field that tie it to the message. */
const invalidAttributes = (message: string | undefined) =>
  message === undefined ? undefined : html` aria-invalid="true" aria-describedby="problem"`;

export const loginPage = (clientName: string, problem?: string, developerId = '') =>
  page(
    'Log in',
    html`<p>to continue to <strong>${clientName}</strong></p>
      ${alert(problem)}
      <form method="post">
        <label for="account">Developer ID</label>
        <input
          id="account"
          name="account"
          value="${developerId}"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          required
          maxlength="255"
          ${invalidAttributes(problem)}${developerId === '' ? html` autofocus` : undefined}
        />
        <label for="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="current-password"
          required
          maxlength="200"
          ${invalidAttributes(problem)}${developerId === '' ? undefined : html` autofocus`}
        />
        <button name="action" value="login">Log in</button>
        <button name="action" value="cancel" formnovalidate>Cancel</button>
      </form>`,
  );

/** By scope. */
const PERMISSIONS: Record<string, string> = {
  'sync:read': 'Read your records, and records that others share with you',
  'sync:write': 'Create, change, delete and share your records',
};

export interface ConsentRequest {
  clientName: string;
  /** `developerId` of the application's owner; undefined: the server's own client. */
  owner: string | undefined;
  developerId: string;
  scopes: string[];
  redirectUri: string;
}

export const consentPage = ({ clientName, owner, developerId, scopes, redirectUri }: ConsentRequest) =>
  page(
    `Authorize ${clientName}?`,
    html`<p>
        <strong>${clientName}</strong>,
        ${owner === undefined ? 'a part of this server' : html`an application of <strong>${owner}</strong>`},
        requests permission to:
      </p>
      <ul>
        ${scopes.map((scope) => html`<li>${PERMISSIONS[scope] ?? scope}</li>`)}
      </ul>
      <p>
        You are logged in as <strong>${developerId}</strong>. You will be redirected to
        <strong>${displayedTarget(redirectUri)}</strong>.
      </p>
      <form method="post">
        <button name="action" value="allow">Allow</button>
        <button name="action" value="deny">Deny</button>
      </form>`,
  );

/** The part of a redirect URI that identifies the application: origin or scheme. */
function displayedTarget(uri: string): string {
  const { protocol, host } = new URL(uri);
  return /^https?:$/.test(protocol) ? `${protocol}//${host}` : protocol.slice(0, -1);
}

export const invitePage = (developerId: string, token: string, problem?: string) =>
  page(
    'Choose a password',
    html`<p>for <strong>${developerId}</strong></p>
      ${alert(problem)}
      <form method="post">
        <input type="hidden" name="token" value="${token}" />
        <input type="hidden" name="username" value="${developerId}" autocomplete="username" />
        <label for="password">New password, at least 12 characters</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="new-password"
          required
          minlength="12"
          maxlength="200"
          autofocus${invalidAttributes(problem)}
        />
        <button>Save</button>
      </form>`,
  );

export const invitedPage = () =>
  page('Password saved', html`<p>Use it to log in when an application asks you to.</p>`);

export const errorPage = (message: string, advice = 'Go back to the application and try again.') =>
  page(
    'That did not work',
    html`<p role="alert">${message}</p>
      <p>${advice}</p>`,
  );

/** @param form the library's form, `op.logoutForm`, which the buttons submit */
export const logoutPage = (form: string) =>
  page(
    'Log out?',
    html`${new Html(form)}
      <button form="op.logoutForm" name="logout" value="yes">Log out</button>
      <button form="op.logoutForm">Stay logged in</button>`,
  );

export const loggedOutPage = () =>
  page('Logged out', html`<p>Applications that you have authorized keep their access.</p>`);
