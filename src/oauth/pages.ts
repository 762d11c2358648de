import { config } from '../config.js';
import { Html, html } from '../http/html.js';
import { page } from '../http/page.js';
import { publicPath } from '../http/public-path.js';

/** Relative to the path of PUBLIC_URL. */
const ACCOUNT = publicPath('/oauth/account');

export const alert = (message: string | undefined) =>
  message === undefined ? undefined : html`<p role="alert" id="problem">${message}</p>`;

/** Attributes of a field that tie it to the message. */
export const invalidAttributes = (message: string | undefined) =>
  message === undefined ? undefined : html` aria-invalid="true" aria-describedby="problem"`;

const CANCEL = html`<button name="action" value="cancel" formnovalidate>Cancel</button>`;

/** No mail is sent: the operator knows the developers, and gives them links. */
const FORGOTTEN = html`<p>
  Forgot your password? Ask the operator of ${config.SERVICE_NAME} for a new invite link, with which you
  choose another one. This server sends no mail.
</p>`;

/** @param clientName the application that asks; undefined: the account page */
export const loginPage = (clientName: string | undefined, problem?: string, developerId = '') =>
  page(
    'Log in',
    html`<p>to continue to <strong>${clientName ?? 'your account'}</strong></p>
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
        <button class="primary" name="action" value="login">Log in</button>
        ${clientName === undefined ? undefined : CANCEL}
      </form>
      ${FORGOTTEN}`,
  );

/** By scope. */
export const PERMISSIONS: Record<string, string> = {
  openid: 'Know your developer ID',
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
        <button class="primary" name="action" value="allow">Allow</button>
        <button name="action" value="deny">Deny</button>
      </form>`,
  );

/** The part of a redirect URI that identifies the application: origin or scheme. */
function displayedTarget(uri: string): string {
  const { protocol, host } = new URL(uri);
  return /^https?:$/.test(protocol) ? `${protocol}//${host}` : protocol.slice(0, -1);
}

/** Password managers store the new password under this name. */
export const username = (developerId: string) =>
  html`<label for="username">Developer ID</label>
    <input id="username" name="username" value="${developerId}" autocomplete="username" readonly />`;

export const newPassword = (problem: string | undefined) =>
  html`<label for="password">New password, at least 12 characters</label>
    <input
      id="password"
      name="password"
      type="password"
      autocomplete="new-password"
      required
      minlength="12"
      maxlength="200"
      ${invalidAttributes(problem)}
    />`;

export const invitePage = (developerId: string, token: string, problem?: string) =>
  page(
    'Choose a password',
    html`${alert(problem)}
      <form method="post">
        <input type="hidden" name="token" value="${token}" />
        ${username(developerId)} ${newPassword(problem)}
        <button class="primary">Save</button>
      </form>`,
  );

export const invitedPage = () =>
  page(
    'Password saved',
    html`<p>
      Use it to log in when an application asks you to. On the page of
      <a href="${ACCOUNT}">your account</a> you can change it.
    </p>`,
  );

/** @param code of OAuth or of the API, for developers */
export const errorPage = (
  message: string,
  advice = 'Go back to the application and try again.',
  code?: string,
) =>
  page(
    'That did not work',
    html`<p role="alert">${message}</p>
      <p>${advice}</p>
      ${code === undefined ? undefined : html`<p>Error code, for developers: <code>${code}</code></p>`}`,
  );

/** @param form the library's form, `op.logoutForm`, which the buttons submit */
export const logoutPage = (form: string) =>
  page(
    'Log out?',
    html`${new Html(form)}
      <button class="primary" form="op.logoutForm" name="logout" value="yes">Log out</button>
      <button form="op.logoutForm">Stay logged in</button>`,
  );

export const loggedOutPage = () =>
  page(
    'Logged out',
    html`<p>
      Applications that you have authorized keep their access. On the page of
      <a href="${ACCOUNT}">your account</a> you can withdraw it.
    </p>`,
  );
