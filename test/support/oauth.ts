import { createHash, randomBytes } from 'node:crypto';
import type { Answer, Api } from './api.js';
import type { Client } from './api-clients.js';

/** A minimal browser for logins: it stores cookies by path, and follows redirects only in `follow`. */
export class Browser {
  /** By name: the value, and the path for which it is sent. */
  readonly cookies = new Map<string, { value: string; path: string }>();

  constructor(readonly url: string) {}

  /** @param target a path of the authorization server, or the location of a redirect */
  async request(target: string, init: RequestInit = {}): Promise<Response> {
    const url = new URL(target.startsWith('/oauth/') ? this.url + target : target, this.url);
    const cookie = [...this.cookies]
      .filter(([, { path }]) => url.pathname.startsWith(path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
    const headers = new Headers(init.headers);
    if (cookie !== '') headers.set('cookie', cookie);
    // Drops the origin: a redirect goes to PUBLIC_URL, but is requested from the server under test.
    const response = await fetch(new URL(url.pathname + url.search, this.url), {
      ...init,
      headers,
      redirect: 'manual',
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      const path = /; path=([^;]*)/i.exec(line)?.[1] ?? '/';
      if (/expires=Thu, 01 Jan 1970/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, { value, path });
    }
    return response;
  }

  post(
    target: string,
    form: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return this.request(target, { method: 'POST', body: new URLSearchParams(form), headers });
  }

  /** Follows redirects while they stay on the server. @returns the last response and the last location */
  async follow(response: Response): Promise<{ response: Response; location: string }> {
    let location = '';
    while ([302, 303].includes(response.status)) {
      location = response.headers.get('location')!;
      const { pathname } = new URL(location, this.url);
      if (!pathname.includes('/oauth/')) break;
      response = await this.request(location);
    }
    return { response, location };
  }
}

/** A PKCE verifier and its S256 challenge (RFC 7636). */
export function pkce(verifier = randomBytes(32).toString('base64url')) {
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

export const PASSWORD = 'a password of the tests';

/** Parameters of a valid authorization request, with some changed. */
export const authorization = (client: Client, challenge: string, changes: Record<string, string> = {}) => ({
  client_id: client.id,
  redirect_uri: client.redirectUri,
  response_type: 'code',
  scope: 'sync:read sync:write',
  state: 'a-state',
  code_challenge: challenge,
  code_challenge_method: 'S256',
  ...changes,
});

export const authorizeUrl = (parameters: Record<string, string>) =>
  `/oauth/authorize?${new URLSearchParams(parameters)}`;

/** Logs in if necessary, and consents. @returns the redirect URI with its response parameters */
export async function authorize(
  browser: Browser,
  parameters: Record<string, string>,
  developerId: string,
  password = PASSWORD,
): Promise<URL> {
  let { response, location } = await browser.follow(await browser.request(authorizeUrl(parameters)));
  if (
    location.includes('/oauth/interaction/') &&
    (await response.clone().text()).includes('name="password"')
  ) {
    const form = { account: developerId, password, action: 'login' };
    ({ response, location } = await browser.follow(await browser.post(location, form)));
  }
  if (location.includes('/oauth/interaction/') && response.status === 200) {
    ({ response, location } = await browser.follow(await browser.post(location, { action: 'allow' })));
  }
  if ([302, 303].includes(response.status)) return new URL(location);
  throw new Error(`not authorized: ${response.status} ${await response.text()}`);
}

/** Posts a form to an OAuth endpoint, authenticated as the client. */
export async function post(
  url: string,
  path: string,
  client: Client,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isPublic = client.secret === null;
  const response = await fetch(url + path, {
    method: 'POST',
    headers: isPublic
      ? headers
      : {
          ...headers,
          authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`,
        },
    body: new URLSearchParams({ ...form, ...(isPublic ? { client_id: client.id } : {}) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? text : JSON.parse(text),
  };
}

/** Runs the whole authorization code flow. */
export async function getTokens(
  url: string,
  client: Client,
  developerId: string,
  changes: Record<string, string> = {},
  browser = new Browser(url),
) {
  const { verifier, challenge } = pkce();
  const end = await authorize(browser, authorization(client, challenge, changes), developerId);
  const code = end.searchParams.get('code');
  if (code === null) throw new Error(`no code: ${end}`);
  const { status, body } = await post(url, '/oauth/token', client, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: client.redirectUri,
    code_verifier: verifier,
  });
  if (status !== 200) throw new Error(`no token: ${status} ${JSON.stringify(body)}`);
  return body as { access_token: string; refresh_token: string; scope: string; expires_in: number };
}

/** Token response of the client credentials flow. */
export const getOwnTokens = async (url: string, client: Client, scope = 'sync:read') =>
  (await post(url, '/oauth/token', client, { grant_type: 'client_credentials', scope })).body;

export const setPassword = (admin: Api, developerId: string, password = PASSWORD) =>
  admin.request('PUT', `/api/v1/developers/${encodeURIComponent(developerId)}/password`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ password }),
  });
