import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PostgresServer } from '../../tools/postgres.js';
import { WallClock } from '../../tools/wall-clock.js';
import { RECORDS } from '../support/api.js';
import { Gate } from '../support/gate.js';
import { acknowledge, joined, Receiver } from '../support/receiver.js';
import { createDeveloper, ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { type Application, createApplication } from '../support/webhooks.js';

/**
 * In seconds, more than the timeout of a test: a wait that is longer by the step fails the test. Receivers
 * refuse signatures that are older than 5 minutes, so the clock that signs steps back by less.
 */
const steps = [
  { of: 'the database', seconds: 3_600, isOfDatabase: true, isOfServers: false },
  { of: 'the servers', seconds: 280, isOfDatabase: false, isOfServers: true },
  { of: 'the machine', seconds: 280, isOfDatabase: true, isOfServers: true },
];

const describeSteps = WallClock.canStep ? describe.each(steps) : describe.skip.each(steps);

describeSteps('the clock of $of steps back by $seconds s', ({ seconds, isOfDatabase, isOfServers }) => {
  let clock: WallClock;
  let postgres: PostgresServer;
  let env: Record<string, string>;
  let server: ServerProcess;
  let gate: Gate;
  let receiver: Receiver;
  let application: Application;

  beforeEach(async () => {
    clock = new WallClock();
    postgres = await PostgresServer.start({ fsync: 'off' }, isOfDatabase ? clock.env : {});
    env = {
      ...(isOfServers ? clock.env : {}),
      DATABASE_URL: postgres.url,
      WEBHOOK_ALLOW_PRIVATE: 'true',
      PUBLIC_URL: 'http://sync.example',
    };
    server = await ServerProcess.start(env);
    gate = await Gate.build(postgres.url);
    receiver = await Receiver.start();
    application = await createApplication(server.admin, receiver);
  });
  afterEach(async () => {
    await server.stop('SIGKILL');
    await receiver.close();
    await gate.end().catch(() => {});
    await postgres.destroy();
    clock.remove();
  });

  const count = async (sql: string) => (await gate.session.query<{ count: number }>(sql)).rows[0].count;
  const copies = () =>
    count('SELECT count(*)::int AS count FROM change_events WHERE user_id <> item_user_id');

  /** In a transaction, which stays open. */
  const lockFeed = (developerId: string) =>
    gate.session.query(
      `BEGIN; SELECT FROM feeds WHERE user_id = (
         SELECT user_id FROM developers WHERE developer_id = '${developerId}') FOR UPDATE`,
    );

  /** A record of `owner` that `fan` has pinned. @returns its path, and the owner */
  async function followedRecord() {
    const owner = await createDeveloper(server.url, 'owner');
    const fan = await createDeveloper(server.url, 'fan');
    const input = { developerId: 'owner', resourceType: 'ROUTE', resourceKey: 'k', data: {} };
    const path = `${RECORDS}/${(await owner.create(input)).id}`;
    expect((await owner.put(`${path}/shares/fan`)).status).toBe(204);
    expect((await fan.put(`${path}/pin`)).status).toBe(204);
    return { owner, path };
  }

  it('a retry, and all that waits behind it, comes all the same; so do jobs', async () => {
    let attempts = 0;
    receiver.behave = (request, response) =>
      attempts++ === 0 ? void response.writeHead(500).end() : acknowledge(request, response);
    const api = await application.connect('dev-1');
    const create = (resourceKey: string) =>
      api.create({ developerId: 'dev-1', resourceType: 'ROUTE', resourceKey, data: {} });
    const { owner, path } = await followedRecord();
    const before = await copies();
    // A job that runs during the step.
    await lockFeed('fan');
    await owner.patch(path, { data: { n: 1 } });
    await gate.waiting('transactionid', 1);
    await create('a');
    const retries = 'SELECT count(*)::int AS count FROM webhook_positions WHERE attempts = 1';
    await until(async () => (await count(retries)) === 1);

    clock.step(-seconds);
    await gate.session.query('COMMIT');
    await create('b');
    await until(() => receiver.messages.length === 2);
    expect(receiver.received[1].id).toBe(receiver.received[0].id);
    await until(async () => (await copies()) === before + 1);
    await owner.patch(path, { data: { n: 2 } });
    await until(async () => (await copies()) === before + 2);
    await create('c');
    const userId = receiver.messages[0].range!.user_id;
    await until(() => joined(receiver.messages, userId).length === 3);
  });

  it('what a process has left that died is taken over', async () => {
    receiver.behave = () => {};
    const api = await application.connect('dev-1');
    const { owner, path } = await followedRecord();
    const before = await copies();
    await lockFeed('fan');
    await owner.patch(path, { data: { n: 1 } });
    await gate.waiting('transactionid', 1);
    await api.create({ developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: 'a', data: {} });
    await until(() => receiver.received.length === 1);
    await server.stop('SIGKILL');
    await gate.session.query('COMMIT');

    clock.step(-seconds);
    receiver.behave = acknowledge;
    server = await ServerProcess.start(env);
    await until(() => receiver.received.length === 2);
    expect(receiver.received[1].id).toBe(receiver.received[0].id);
    await until(async () => (await copies()) === before + 1);
  });

  // The sessions of a server also have a timeout of 30 s, which PostgreSQL measures by its wall clock. This
  // one has none: libfaketime does not step the clock of a process that is in the middle of a wait.
  if (isOfDatabase)
    it('a transaction that its process has abandoned ends', async () => {
      const api = await createDeveloper(server.url, 'dev-1');
      gate.session.on('error', () => {});
      await gate.session.query(`SET application_name = 'tidemark'`);
      await lockFeed('dev-1');
      clock.step(-seconds);
      const input = { developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: 'a', data: {} };
      await until(async () => (await api.post(RECORDS, input)).status === 201);
    });
});
