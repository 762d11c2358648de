import { afterEach, describe, expect, it } from '@jest/globals';
import { type Api, RECORDS } from './support/api.js';
import { createClient } from './support/api-clients.js';
import { useApp } from './support/app.js';
import { settle } from './support/followers.js';
import { authorization, authorizeUrl, Browser, PASSWORD, pkce, setPassword } from './support/oauth.js';
import { acknowledge, joined, Receiver } from './support/receiver.js';
import { until } from './support/until.js';
import { createApplication } from './support/webhooks.js';

const app = useApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });

const query = (sql: string, values: unknown[] = []) => app.dataSource.query(sql, values);

/** Everything that the database's clock has dated. */
const DATED = [
  'UPDATE clock_heartbeats SET last = last + $1',
  'UPDATE webhook_positions SET due_at = due_at + $1',
  `UPDATE webhook_endpoints
   SET failing_since = failing_since + $1, failed_at = failed_at + $1, retry_at = retry_at + $1`,
  'UPDATE login_attempts SET slot_at = slot_at + $1, expires_at = expires_at + $1',
  `UPDATE pgboss.job
   SET created_on = created_on + $1, start_after = start_after + $1, started_on = started_on + $1,
     completed_on = completed_on + $1`,
  'UPDATE pgboss.version SET maintained_on = maintained_on + $1',
  'UPDATE api_keys SET last_used_at = last_used_at + $1',
];

/**
 * Leaves the database as it is when its clock has stepped back by an hour: all that it has dated lies an hour
 * further ahead. That is longer than the timeout of a test.
 *
 * @param meanwhile SQL that the same transaction runs before
 */
const stepBack = (...meanwhile: string[]) =>
  app.dataSource.transaction(async (manager) => {
    for (const sql of meanwhile) await manager.query(sql);
    for (const sql of DATED) await manager.query(sql, ['1 hour']);
  });

let receiver: Receiver | undefined;
afterEach(async () => {
  await receiver?.close();
  receiver = undefined;
});

const create = (api: Api, developerId: string, resourceKey: string) =>
  api.create({ developerId, resourceType: 'ROUTE', resourceKey, data: {} });

describe('when the clock of the database has stepped back by an hour', () => {
  it('a webhook is retried after its own delay, and the changes behind it follow', async () => {
    receiver = await Receiver.start();
    let attempts = 0;
    receiver.behave = (request, response) =>
      attempts++ === 0
        ? void response.writeHead(503, { 'retry-after': '1' }).end()
        : acknowledge(request, response);
    const { webhook, connect } = await createApplication(app.admin, receiver);
    const api = await connect('dev-1');
    await create(api, 'dev-1', 'a');
    await until(async () => (await app.admin.get(webhook)).body.retryAt !== null);
    await stepBack();
    await create(api, 'dev-1', 'b');
    await until(() => receiver!.messages.length === 2);
    const [first, second] = receiver.received;
    expect(second.id).toBe(first.id);
    expect(joined(receiver.messages, first.range!.user_id)).toHaveLength(2);
    expect((await app.admin.get(webhook)).body.failingSince).toBeNull();
  });

  it('the lease of a webhook ends', async () => {
    receiver = await Receiver.start();
    const { connect } = await createApplication(app.admin, receiver);
    const api = await connect('dev-2');
    await create(api, 'dev-2', 'a');
    await until(() => receiver!.messages.length === 1);
    // As a process leaves it that has died.
    await stepBack(
      `UPDATE webhook_positions
       SET lease = gen_random_uuid(), due_at = clock_timestamp() + interval '1 second'
       WHERE user_id = (SELECT user_id FROM developers WHERE developer_id = 'dev-2')`,
    );
    await create(api, 'dev-2', 'b');
    await until(() => receiver!.messages.length === 2);
  });

  it.each([
    ['waits for its retry', `state = 'retry', start_after = now() + interval '1 second'`],
    ['is held by a process that has died', `state = 'active', started_on = now() - expire_in`],
  ])('a job that %s is done', async (_name, state) => {
    const owner = await app.developer('owner');
    const fan = await app.developer('fan');
    const path = `${RECORDS}/${(await create(owner, 'owner', state)).id}`;
    await owner.put(`${path}/shares/fan`);
    await fan.put(`${path}/pin`);
    await owner.patch(path, { data: { n: 1 } });
    await settle(query);
    await stepBack(`UPDATE pgboss.job SET ${state}, completed_on = NULL WHERE name = 'followers'`);
    await settle(query);
  });

  describe('a throttled login', () => {
    const begin = async () => {
      await setPassword(app.admin, 'person-1');
      const browser = new Browser(app.url);
      const client = await createClient(app.admin);
      const page = await browser.request(authorizeUrl(authorization(client, pkce().challenge)));
      const { location } = await browser.follow(page);
      return async (password: string) =>
        (await browser.post(location, { account: 'person-1', password, action: 'login' })).status;
    };

    it('of a network is allowed again at the end of its window', async () => {
      const logIn = await begin();
      expect(await logIn('wrong password')).toBe(401);
      await query('UPDATE login_attempts SET attempts = 100');
      expect(await logIn(PASSWORD)).toBe(429);
      await stepBack(`UPDATE login_attempts SET expires_at = clock_timestamp() + interval '1 second'`);
      await until(async () => (await logIn(PASSWORD)) === 303);
    });

    it('of an account under attack waits for the attempts before it alone', async () => {
      await query('DELETE FROM login_attempts');
      const logIn = await begin();
      // The 11th one is delayed.
      for (let n = 0; n < 11; n++) expect(await logIn('wrong password')).toBe(401);
      expect(await query('SELECT FROM login_attempts WHERE slot_at IS NOT NULL')).toHaveLength(1);
      await stepBack();
      await until(async () => (await logIn(PASSWORD)) === 303);
    });
  });

  it('the use of an API key is noted', async () => {
    const api = await app.developer('dev-3');
    const lastUsedAt = async () =>
      (await app.admin.get('/api/v1/api-keys?developerId=dev-3')).body.data[0].lastUsedAt;
    await api.sync('since=1970-01-01');
    await until(async () => (await lastUsedAt()) !== null);
    await stepBack();
    await until(async () => {
      await api.sync('since=1970-01-01');
      return new Date(await lastUsedAt()) <= new Date();
    });
  });
});
