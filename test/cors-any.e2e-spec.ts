import { expect, it } from '@jest/globals';
import { Api, RECORDS } from './support/api.js';
import { createClient } from './support/api-clients.js';
import { useApp } from './support/app.js';
import { getOwnTokens } from './support/oauth.js';

const app = useApp({ CORS_ORIGINS: '*' });

it('CORS_ORIGINS=* lets every page read, and caches need not tell them apart', async () => {
  const dev = await app.developer('dev-1');
  for (const origin of ['https://a.example', 'null']) {
    const sync = await dev.get('/api/v1/sync.json?since=1970-01-01T00:00:00Z', { origin });
    expect(sync.headers.get('access-control-allow-origin')).toBe('*');
    expect(sync.headers.get('vary')).toBe('Authorization, Accept, Prefer');
    for (const path of [RECORDS, '/nothing', '/%zz', '/oauth/jwks', '/.well-known/openid-configuration']) {
      const { headers } = await new Api(app.url).get(path, { origin });
      expect([path, headers.get('access-control-allow-origin')]).toEqual([path, '*']);
      expect(headers.get('access-control-allow-credentials')).toBeNull();
    }
  }
});

it('the token endpoint has the same rule', async () => {
  const client = await createClient(app.admin);
  expect(await getOwnTokens(app.url, client)).toMatchObject({ access_token: expect.any(String) });
  const { headers } = await fetch(`${app.url}/oauth/token`, {
    method: 'POST',
    headers: { origin: 'https://a.example' },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  expect(headers.get('access-control-allow-origin')).toBe('*');
});
