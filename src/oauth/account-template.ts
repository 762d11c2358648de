import { type Html, html } from '../http/html.js';
import { page as pageOf } from '../http/page.js';
import type { Grant } from '../tokens/grant.entity.js';
import { alert, invalidAttributes, newPassword, PERMISSIONS, username } from './pages.js';

export interface AccountView {
  developerId: string;
  /** With client and its owner. */
  grants: Grant[];
  /** From 1. */
  page: number;
  pages: number;
  /** The change that was just made, by its name in DONE. */
  done?: string;
  /** Of the old password. */
  currentProblem?: string;
  /** Of the new password. */
  problem?: string;
}

const DONE = new Map([
  ['password', 'Your password is changed. All your other logins have ended.'],
  ['withdrawn', 'The access is withdrawn.'],
]);

export function accountPage(view: AccountView): string {
  const { developerId, grants, done, currentProblem, problem } = view;
  const message = DONE.get(done ?? '');
  return pageOf(
    'Your account',
    html`${message === undefined ? undefined : html`<p role="status">${message}</p>`}
      ${alert(currentProblem ?? problem)}
      <h2>Password</h2>
      <form method="post">
        ${username(developerId)}
        <label for="current">Current password</label>
        <input
          id="current"
          name="current"
          type="password"
          autocomplete="current-password"
          required
          maxlength="200"
          ${invalidAttributes(currentProblem)}
        />
        ${newPassword(problem)}
        <button class="primary" name="action" value="password">Change password</button>
      </form>
      <h2>Applications with access</h2>
      ${
        grants.length === 0
          ? html`<p>No application has access to your records with your permission.</p>`
          : html`<ul>
              ${grants.map(grantItem)}
            </ul>`
      }
      ${pager(view)}
      <h2>Log out</h2>
      <form method="post">
        <p>This ends the login of this page. Applications keep their access.</p>
        <button name="action" value="logout">Log out</button>
      </form>`,
  );
}

const grantItem = ({ id, client, scopes, createdAt }: Grant): Html => {
  const day = createdAt.toISOString().slice(0, 10);
  return html`<li>
    <strong>${client.name}</strong>,
    ${client.owner ? `of ${client.owner.developerId}` : 'a part of this server'}, since
    <time datetime="${day}">${day}</time>: ${scopes.map((scope) => PERMISSIONS[scope] ?? scope).join('; ')}
    <form method="post">
      <input type="hidden" name="grant" value="${id}" />
      <button name="action" value="withdraw" aria-label="Withdraw the access of ${client.name}, since ${day}">
        Withdraw
      </button>
    </form>
  </li>`;
};

function pager({ page, pages }: AccountView): Html | undefined {
  const link = (number: number, text: string) => html`<a href="?page=${String(number)}">${text}</a> `;
  if (pages <= 1) return undefined;
  return html`<p>
    Page ${String(page)} of ${String(pages)}. ${page > 1 ? link(page - 1, 'Previous page') : undefined}
    ${page < pages ? link(page + 1, 'Next page') : undefined}
  </p>`;
}
