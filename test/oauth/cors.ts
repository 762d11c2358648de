import { expect, it } from '@jest/globals';
import { RECORDS } from '../support/api.js';
import { createClient } from '../support/api-clients.js';
import { app } from './app.js';

it('without CORS_ORIGINS, no other origin reads anything, not even the origin of a redirect URI', async () => {
  const client = await createClient(app.admin);
  const { origin } = new URL(client.redirectUri);
  const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: URLSearchParams) =>
    fetch(app.url + path, { method, headers: { origin, ...headers }, body });
  const preflight = { 'access-control-request-method': 'POST' };
  const answers = await Promise.all([
    ...[RECORDS, '/oauth/jwks', '/.well-known/openid-configuration'].map((path) => ask('GET', path)),
    ...[RECORDS, '/oauth/token', '/oauth/revoke'].map((path) => ask('OPTIONS', path, preflight)),
    ask(
      'POST',
      '/oauth/token',
      { authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}` },
      new URLSearchParams({ grant_type: 'client_credentials', scope: 'sync:read' }),
    ),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([401, 200, 200, 404, 404, 404, 200]);
  for (const { headers } of answers)
    expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
});
