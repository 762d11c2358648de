import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Api } from './support/api.js';
import { type Client, createClient } from './support/api-clients.js';
import { DatabaseProxy } from './support/database-proxy.js';
import { expectError } from './support/errors.js';
import { authorization, authorizeUrl, getOwnTokens, pkce, post } from './support/oauth.js';
import { createDatabase, ServerProcess, type TestDatabase } from './support/server.js';
import { until } from './support/until.js';

let database: TestDatabase;
let proxy: DatabaseProxy;
let server: ServerProcess;
let client: Client;
let token: string;

beforeEach(async () => {
  database = await createDatabase();
  proxy = await DatabaseProxy.start(database.env.DATABASE_URL);
  server = await ServerProcess.start({ ...database.env, DATABASE_URL: proxy.url, SHUTDOWN_TIMEOUT: '1' });
  client = await createClient(server.admin);
  token = (await getOwnTokens(server.url, client)).access_token;
});
afterEach(async () => {
  proxy.close();
  await server.stop('SIGKILL');
  await database.drop();
});

it('a good token is not said to be bad while the database is away', async () => {
  const api = new Api(server.url, token);
  expect((await api.sync({ since: '1970-01-01' })).status).toBe(200);
  proxy.close();
  // What the process knows of keys and clients is good for some seconds more; then it has to ask.
  await until(async () => (await new Api(server.url).get('/oauth/jwks')).status === 503);
  for (let n = 0; n < 20; n++) {
    const answer = await api.get('/api/v1/users/current.json');
    expectError(answer, 503, 'service_unavailable');
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  }
});

it('the authorization server responds 503 while the database is away, never 500: JSON or a page', async () => {
  proxy.close();
  const endpoints = ['token', 'revoke', 'introspect'];
  const parameters = authorization(client, pkce().challenge);
  const ask = () =>
    Promise.all([
      fetch(server.url + authorizeUrl(parameters), { redirect: 'manual' }),
      ...endpoints.map((name) => post(server.url, `/oauth/${name}`, client, { token })),
    ]);
  // As above.
  await until(async () => {
    const statuses = (await ask()).map(({ status }) => status);
    expect(statuses).not.toContain(500);
    return statuses.every((status) => status === 503);
  });
  const [page, ...answers] = await ask();
  expect(page.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(page.headers.get('content-type')).toMatch(/^text\/html/);
  for (const { headers, body } of answers) {
    expect(body).toEqual({ error: 'temporarily_unavailable', error_description: expect.any(String) });
    expect(headers.get('retry-after')).toMatch(/^\d+$/);
  }
});

it('SIGTERM ends the process cleanly also when the database answers nothing any more', async () => {
  proxy.hang();
  const hanging = server.admin.get('/api/v1/api-keys').catch(() => undefined);
  const { code, signal } = await server.stop('SIGTERM');
  expect({ code, signal }).toEqual({ code: 0, signal: null });
  await hanging;
});
