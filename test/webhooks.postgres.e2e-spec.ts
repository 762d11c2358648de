import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import type { Api } from './support/api.js';
import { createClient, createClientKey } from './support/api-clients.js';
import { Gate } from './support/gate.js';
import { joined, Receiver } from './support/receiver.js';
import { ServerProcess, startApp, type TestApp } from './support/server.js';
import { until } from './support/until.js';
import { createEndpoint } from './support/webhooks.js';

let app: TestApp;
let gate: Gate;
let receiver: Receiver;

beforeAll(async () => {
  app = await startApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });
  gate = await Gate.build(process.env.DATABASE_URL!);
  await gate.session.query('CREATE TABLE gate_for (kind text)');
  const isFor = (kind: string) => `EXISTS (SELECT FROM gate_for WHERE kind = '${kind}')`;
  for (const table of ['change_events', 'api_keys', 'webhook_endpoints'])
    await gate.stop(table, 'INSERT', isFor(table));
  receiver = await Receiver.start();
});
afterEach(() => gate.open());
afterAll(async () => {
  await receiver.close();
  await gate.end();
  await app.close();
});

async function closeGateFor(table: string): Promise<void> {
  await gate.session.query('DELETE FROM gate_for');
  await gate.session.query('INSERT INTO gate_for VALUES ($1)', [table]);
  await gate.close();
}

let count = 0;

async function setUp() {
  const developerId = `dev-${++count}`;
  const writer = await app.developer(developerId);
  await write(writer, developerId, 'before');
  const [{ item_user_id: userId }] = (await writer.sync('since=1970-01-01')).body.items;
  const { id: clientId } = await createClient(app.admin, { developerId: 'app-owner' });
  return { developerId, writer, userId, clientId };
}

const write = (api: Api, developerId: string, resourceKey: string) =>
  api.create({ developerId, resourceType: 'ROUTE', resourceKey, data: {} });

/** What the receiver was told of a developer, when it has been told of the latest change. */
async function told({ writer, userId }: Awaited<ReturnType<typeof setUp>>) {
  const { items } = (await writer.sync('since=1970-01-01')).body;
  const last = items.at(-1).datetime;
  const all = () => joined(receiver.messages, userId);
  await until(() => all().some(({ datetime }) => datetime === last));
  return {
    told: all().map(({ datetime }) => datetime),
    items: items.map((item: { datetime: string }) => item.datetime),
  };
}

describe('a change that is in flight', () => {
  it('when its developer lets an application in is told to it, without any other change', async () => {
    const scene = await setUp();
    await createEndpoint(app.admin, scene.clientId, receiver);
    await closeGateFor('change_events');
    const writing = write(scene.writer, scene.developerId, 'in flight');
    await gate.waiting('advisory', 1);
    await createClientKey(app.admin, scene.clientId, scene.developerId);
    await gate.open();
    await writing;
    const { told: found, items } = await told(scene);
    expect(found).toEqual(items.slice(1));
  });

  it('when an application gets an endpoint is told to it, without any other change', async () => {
    const scene = await setUp();
    await createClientKey(app.admin, scene.clientId, scene.developerId);
    await closeGateFor('change_events');
    const writing = write(scene.writer, scene.developerId, 'in flight');
    await gate.waiting('advisory', 1);
    await createEndpoint(app.admin, scene.clientId, receiver);
    await gate.open();
    await writing;
    const { told: found, items } = await told(scene);
    expect(found).toEqual(items.slice(1));
  });
});

describe('a key and an endpoint that are made at the same time', () => {
  it('find each other when the key commits last', async () => {
    const scene = await setUp();
    await closeGateFor('api_keys');
    const letting = createClientKey(app.admin, scene.clientId, scene.developerId);
    await gate.waiting('advisory', 1);
    await createEndpoint(app.admin, scene.clientId, receiver);
    await gate.open();
    await letting;
    await write(scene.writer, scene.developerId, 'after');
    const { told: found, items } = await told(scene);
    expect(found).toEqual(items.slice(1));
  });

  it('find each other when the endpoint commits last', async () => {
    const scene = await setUp();
    await closeGateFor('webhook_endpoints');
    const making = createEndpoint(app.admin, scene.clientId, receiver);
    await gate.waiting('advisory', 1);
    const letting = createClientKey(app.admin, scene.clientId, scene.developerId);
    await gate.waiting('transactionid', 1);
    await gate.open();
    await Promise.all([making, letting]);
    await write(scene.writer, scene.developerId, 'after');
    const { told: found, items } = await told(scene);
    expect(found).toEqual(items.slice(1));
  });
});

it('endpoints that are deleted while they are told of changes go without waiting for anybody in a circle', async () => {
  const scene = await setUp();
  const scenes = [scene, await setUp(), await setUp(), await setUp()];
  for (const { developerId } of scenes) await createClientKey(app.admin, scene.clientId, developerId);
  let isOver = false;
  const writing = scenes.map(async ({ writer, developerId }) => {
    for (let n = 0; !isOver; n++) await write(writer, developerId, `n${n}`);
  });
  const statuses: number[] = [];
  for (let round = 0; round < 15; round++) {
    const paths = await Promise.all(
      Array.from({ length: 4 }, () => createEndpoint(app.admin, scene.clientId, receiver)),
    );
    const told = receiver.received.length;
    await until(() => receiver.received.length > told);
    const [answers] = await Promise.all([
      Promise.all(paths.map((path) => app.admin.delete(path))),
      // A right that begins meanwhile.
      createClientKey(app.admin, scene.clientId, scene.developerId),
    ]);
    statuses.push(...answers.map(({ status }) => status));
  }
  isOver = true;
  await Promise.all(writing);
  expect(new Set(statuses)).toEqual(new Set([204]));
});

it('tests at two processes, and deliveries, are at most four requests to an endpoint at a time, and one test', async () => {
  const own = await Receiver.start();
  let tests = 0;
  let mostTests = 0;
  own.behave = async ({ range }, response) => {
    if (range === null) mostTests = Math.max(mostTests, ++tests);
    // So long that requests at the same time meet.
    await delay(20);
    if (range === null) tests--;
    response.writeHead(204).end();
  };
  const other = await ServerProcess.start({
    DATABASE_URL: process.env.DATABASE_URL!,
    WEBHOOK_ALLOW_PRIVATE: 'true',
  });
  try {
    const { clientId, ...scene } = await setUp();
    const webhook = await createEndpoint(app.admin, clientId, own);
    const scenes = [scene, ...(await Promise.all(Array.from({ length: 9 }, setUp)))];
    for (const { developerId } of scenes) await createClientKey(app.admin, clientId, developerId);
    const test = (api: Api) => api.post(`${webhook}/test`, {});
    const [answers] = await Promise.all([
      Promise.all([app.admin, other.admin].flatMap((api) => Array.from({ length: 10 }, () => test(api)))),
      ...scenes.map(({ writer, developerId }) => write(writer, developerId, 'after')),
    ]);
    await until(() => own.messages.length === scenes.length);
    const sent = answers.filter(({ status }) => status === 200).map(({ body }) => body.id);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 503]));
    expect(own.received.flatMap(({ range, id }) => (range === null ? [id] : [])).sort()).toEqual(sent.sort());
    expect(mostTests).toBe(1);
    expect(own.mostInFlight).toBeLessThanOrEqual(4);
  } finally {
    await other.stop();
    await own.close();
  }
});
