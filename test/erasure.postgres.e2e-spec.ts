import { expect, it } from '@jest/globals';
import { Api, RECORDS } from './support/api.js';
import { createClient } from './support/api-clients.js';
import { expectLibrary, settle } from './support/followers.js';
import { authorization, authorize, authorizeUrl, Browser, pkce, setPassword } from './support/oauth.js';
import { createDeveloper } from './support/server.js';
import { SyncClient } from './support/sync-client.js';
import { isErased, tracesOf, userIdOf } from './support/traces.js';
import { useTwoServers } from './support/two-servers.js';
import { until } from './support/until.js';

const KEYS = '/api/v1/api-keys';

const all = useTwoServers();
const { query } = all;
const urlOf = (developerId: string) => `/api/v1/developers/${developerId}`;
const input = (developerId: string, resourceKey: string) => ({
  developerId,
  resourceType: 'ROUTE',
  resourceKey,
  data: {},
});
const ended = async (userId: number) => {
  await until(() => isErased(query, userId));
  await settle(query);
};

it('writers in two processes get a clear answer during an erasure, and nothing of the developer is left', async () => {
  const developerId = 'written-to';
  const devs = [await createDeveloper(all.servers[0].url, developerId)];
  devs.push(devs[0].at(all.servers[1].url));
  const other = await createDeveloper(all.servers[0].url, 'other');
  const userId = await userIdOf(query, developerId);
  const followed = (await devs[0].create(input(developerId, 'followed'))).id;
  await devs[0].put(`${RECORDS}/${followed}/shares/other`);
  await other.put(`${RECORDS}/${followed}/pin`);
  const own = (await other.create(input('other', 'own'))).id;
  const copy = new SyncClient(other);
  await copy.catchUp();

  const answers: [string, number, string?][] = [];
  let isOver = false;
  const note = async (name: string, request: Promise<{ status: number; body: { code?: string } }>) => {
    const { status, body } = await request;
    answers.push([name, status, body.code]);
    return status;
  };
  const admins = all.servers.map((server) => server.admin);
  const writers = [0, 1].flatMap((n) => [
    // With the developer's own key.
    async (i: number) => {
      const record = await devs[n].post(RECORDS, input(developerId, `${n}-${i}`));
      answers.push(['create', record.status, record.body.code]);
      if (record.status !== 201) return;
      const path = `${RECORDS}/${record.body.id}`;
      await note('patch', devs[n].patch(path, { data: { i } }));
      await note('share', devs[n].put(`${path}/shares/other`));
      await note('pin', other.at(all.servers[n].url).put(`${path}/pin`));
      await note('own pin', devs[n].put(`${path}/pin`));
      await note('delete', i % 2 ? devs[n].delete(path) : devs[n].get(path));
    },
    // With credentials of others.
    async () => {
      await note('sync', devs[n].sync('since=1970-01-01'));
      await note('list', devs[n].get(RECORDS));
      await note('current', devs[n].get('/api/v1/users/current.json'));
      await note('share to', other.put(`${RECORDS}/${own}/shares/${developerId}`));
    },
    async () => {
      await note('key', admins[n].post(KEYS, { developerId, scopes: ['sync:read'] }));
      await note('invite', admins[n].post(`${urlOf(developerId)}/invites`, {}));
      await note('record of an admin', admins[n].post(RECORDS, input(developerId, String(Math.random()))));
    },
  ]);
  const running = writers.map(async (write) => {
    for (let i = 0; !isOver; i++) await write(i);
  });
  let before = 0;
  try {
    await until(() => answers.length > 300);
    expect(answers.filter(([, status]) => ![200, 201, 204].includes(status))).toEqual([]);
    before = answers.length;
    expect((await all.servers[0].admin.delete(urlOf(developerId))).status).toBe(204);
    await until(() => answers.length > before + 300);
    await ended(userId);
  } finally {
    isOver = true;
    await Promise.all(running);
  }

  const unclear = answers.filter(([, status]) => ![200, 201, 204, 401, 403, 404, 503].includes(status));
  expect(unclear).toEqual([]);
  expect(answers.slice(before).map(([, status]) => status)).toEqual(expect.arrayContaining([201, 401]));
  // The name has a new developer by now, made by an admin.
  const traces = await tracesOf(query, { userId, developerId: 'no such text' });
  expect(traces).toEqual([]);
  const reborn = await userIdOf(query, developerId);
  expect(reborn).not.toBe(userId);
  const [{ strays }] = await query(
    `SELECT count(*)::int AS strays FROM records r JOIN feeds f USING (user_id)
     WHERE r.developer_id <> f.developer_id`,
  );
  expect(strays).toBe(0);
  await copy.catchUp();
  await expectLibrary(query, copy, other, 'other');
});

it('a key that is being made when its developer is erased is dead, and nothing is left of it', async () => {
  await all.gate.stop('api_keys', 'INSERT', `NEW.name = 'stopped'`);
  await createDeveloper(all.servers[0].url, 'raced');
  const userId = await userIdOf(query, 'raced');
  await all.gate.close();
  const made = all.servers[1].admin.post(KEYS, {
    developerId: 'raced',
    scopes: ['sync:read'],
    name: 'stopped',
  });
  await all.gate.waiting('advisory', 1);
  const erasure = all.servers[0].admin.delete(urlOf('raced'));
  await all.gate.waiting('transactionid', 1);
  await all.gate.open();
  const { status, body } = await made;
  expect(status).toBe(201);
  expect((await erasure).status).toBe(204);
  expect((await new Api(all.servers[0].url, body.key).get(RECORDS)).status).toBe(401);
  await ended(userId);
  expect(await tracesOf(query, { userId, developerId: 'raced' })).toEqual([]);
});

it('of an erasure and a new client of the developer, one is refused', async () => {
  await all.gate.stop('api_clients', 'INSERT', `NEW.name = 'stopped'`);
  await createDeveloper(all.servers[0].url, 'maker');
  await all.gate.close();
  const made = createClient(all.servers[1].admin, { developerId: 'maker', name: 'stopped' });
  await all.gate.waiting('advisory', 1);
  const erasure = all.servers[0].admin.delete(urlOf('maker'));
  await all.gate.waiting('transactionid', 1);
  await all.gate.open();
  await made;
  expect((await erasure).status).toBe(409);
});

it('a login that is under way when its developer is erased does not become one of the next developer', async () => {
  const client = await createClient(all.servers[0].admin);
  await createDeveloper(all.servers[0].url, 'logging-in');
  await setPassword(all.servers[0].admin, 'logging-in');
  const parameters = authorization(client, pkce().challenge);
  const browser = new Browser(all.servers[1].url);
  await authorize(browser, parameters, 'logging-in');
  // Each authorization stores the session again.
  await all.gate.stop('oauth_states', 'INSERT', `NEW.model = 'Session'`);
  await all.gate.close();
  const request = browser.request(authorizeUrl(parameters));
  await all.gate.waiting('advisory', 1);
  const erasure = all.servers[0].admin.delete(urlOf('logging-in'));
  await all.gate.waiting('transactionid', 1);
  await all.gate.open();
  await request;
  expect((await erasure).status).toBe(204);
  await createDeveloper(all.servers[0].url, 'logging-in');
  const { response } = await browser.follow(await browser.request(authorizeUrl(parameters)));
  expect(await response.text()).toContain('name="password"');
});

it('two erasures at once: one is done, the other finds no developer', async () => {
  await createDeveloper(all.servers[0].url, 'twice');
  const userId = await userIdOf(query, 'twice');
  const answers = await Promise.all([0, 1, 0, 1].map((n) => all.servers[n].admin.delete(urlOf('twice'))));
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 204)).toHaveLength(1);
  expect(statuses.filter((status) => ![204, 404, 503].includes(status))).toEqual([]);
  await ended(userId);
  const { data } = (
    await all.servers[0].admin.get('/api/v1/audit-log?developerId=twice&action=developer.erased')
  ).body;
  expect(data).toHaveLength(1);
});
