import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, type Api, RECORDS } from './support/api.js';
import { useApp } from './support/app.js';
import { expectError } from './support/errors.js';
import { acknowledge, FAILURES, type Received, Receiver } from './support/receiver.js';
import { until } from './support/until.js';
import { hurry } from './support/webhook-failures.js';
import { type Application, createApplication, createEndpoint } from './support/webhooks.js';

const app = useApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });
const receivers: Receiver[] = [];

afterEach(async () => {
  for (const receiver of receivers) expect(receiver.refused).toEqual([]);
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
  await app.dataSource.query('DELETE FROM webhook_endpoints');
});

async function start(): Promise<Application> {
  const receiver = await Receiver.start();
  receivers.push(receiver);
  return createApplication(app.admin, receiver);
}

let developers = 0;

/** Developers of an application. */
const connect = ({ connect: join }: Application, count: number) =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const developerId = `dev-${++developers}`;
      return { developerId, api: await join(developerId) };
    }),
  );

const write = (developerId: string, api: Api, resourceKey: string) =>
  api.create({ developerId, resourceType: 'ROUTE', resourceKey, data: {} });

const times = <T>(count: number, work: (n: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_value, n) => work(n)));

/** Answers nothing until it is opened, then all requests and those that follow; or the oldest one alone. */
function holdAll(receiver: Receiver): { held: (() => void)[]; answerOne: () => void; open: () => void } {
  const held: (() => void)[] = [];
  receiver.behave = async (request, response) => {
    await new Promise<void>((resolve) => held.push(resolve));
    acknowledge(request, response);
  };
  const answerOne = () => held.shift()!();
  const open = () => {
    receiver.behave = acknowledge;
    while (held.length > 0) answerOne();
  };
  return { held, answerOne, open };
}

/** A receiver that takes 20 ms, so that requests at the same time meet. */
async function acknowledgeSlowly(...[request, response]: Parameters<typeof acknowledge>): Promise<void> {
  await delay(20);
  acknowledge(request, response);
}

const statusesOf = (answers: Answer[]) => answers.map(({ status }) => status);

function expectBusy(answer: Answer): void {
  expectError(answer, 503, 'service_unavailable');
  expect(answer.headers.get('retry-after')).toBe('5');
}

describe('tests of a webhook', () => {
  it('are sent one at a time; what is accepted is sent, all others get 503 with Retry-After', async () => {
    const { receiver, webhook } = await start();
    receiver.behave = acknowledgeSlowly;
    const answers = await times(100, () => app.admin.post(`${webhook}/test`, {}));
    const sent = answers.filter(({ status }) => status === 200);
    for (const answer of answers) if (answer.status !== 200) expectBusy(answer);
    expect(receiver.mostInFlight).toBe(1);
    expect(sent.length).toBeGreaterThanOrEqual(1);
    expect(receiver.received.map(({ id }) => id).sort()).toEqual(sent.map(({ body }) => body.id).sort());
    // The places are free again.
    expect((await app.admin.post(`${webhook}/test`, {})).status).toBe(200);
  });

  it('of all endpoints of a client are at most 5 that run or wait', async () => {
    const { receiver, clientId, webhook } = await start();
    const webhooks = [webhook, ...(await times(7, () => createEndpoint(app.admin, clientId, receiver)))];
    const { held, open } = holdAll(receiver);
    const answers = Promise.all(webhooks.map((path) => app.admin.post(`${path}/test`, {})));
    await until(() => held.length === 5);
    // Another client is not in their way.
    const other = await start();
    expect((await app.admin.post(`${other.webhook}/test`, {})).status).toBe(200);
    open();
    expect(statusesOf(await answers).sort()).toEqual([200, 200, 200, 200, 200, 503, 503, 503]);
    expect(receiver.mostInFlight).toBe(5);
  });

  it('wait for a place among four requests to the endpoint, and get the next one', async () => {
    const application = await start();
    const { receiver, webhook } = application;
    const { held, answerOne, open } = holdAll(receiver);
    const sources = await connect(application, 10);
    await Promise.all(sources.map(({ developerId, api }) => write(developerId, api, 'a')));
    await until(() => held.length === 4);
    // They do not end in time.
    expectBusy(await app.admin.post(`${webhook}/test`, {}));
    expect(receiver.received).toHaveLength(4);
    const test = app.admin.post(`${webhook}/test`, {});
    await until(async () => {
      const [{ isReserved }] = await app.dataSource.query(
        'SELECT tested_until IS NOT NULL AS "isReserved" FROM webhook_endpoints',
      );
      return isReserved;
    });
    answerOne();
    await until(() => receiver.received.length === 5);
    expect(receiver.received[4].range).toBeNull();
    open();
    expect((await test).status).toBe(200);
    await until(() => receiver.messages.length === 10);
    expect(receiver.mostInFlight).toBe(4);
  });

  it('without an end let the changes of the same endpoint through, at most four requests at a time', async () => {
    const application = await start();
    const { receiver, webhook } = application;
    receiver.behave = acknowledgeSlowly;
    const sources = await connect(application, 12);
    let isOver = false;
    const statuses = new Set<number>();
    const testing = times(5, async () => {
      while (!isOver) statuses.add((await app.admin.post(`${webhook}/test`, {})).status);
    });
    await until(() => receiver.received.length > 0);
    await Promise.all(sources.map(({ developerId, api }) => write(developerId, api, 'a')));
    await until(() => receiver.messages.length === 12);
    isOver = true;
    await testing;
    expect(receiver.mostInFlight).toBeLessThanOrEqual(4);
    expect(statuses.has(200)).toBe(true);
  });

  it('come after a delivery that is due to an endpoint that fails, which takes one request at a time', async () => {
    const application = await start();
    const { receiver, webhook } = application;
    const [one, other] = await connect(application, 2);
    receiver.behave = FAILURES['answers 500'];
    await write(one.developerId, one.api, 'a');
    await until(async () => (await app.admin.get(webhook)).body.failingSince !== null);
    receiver.mostInFlight = 0;
    const answers: (() => void)[] = [];
    receiver.behave = async (_request, response) => {
      await new Promise<void>((resolve) => answers.push(resolve));
      response.writeHead(500).end();
    };
    await hurry(app.dataSource);
    await until(() => answers.length === 1);
    await write(other.developerId, other.api, 'a');
    await until(async () => {
      const [{ due }] = await app.dataSource.query(
        'SELECT count(*)::int AS due FROM webhook_positions WHERE due_at < now() AND lease IS NULL',
      );
      return due === 1;
    });
    const test = app.admin.post(`${webhook}/test`, {});
    // It has looked for a place meanwhile.
    for (let n = 0; n < 20; n++) await app.admin.get(webhook);
    answers.shift()!();
    await until(() => receiver.received.length === 3);
    expect(receiver.received[2].range).not.toBeNull();
    await until(() => answers.length === 1);
    answers.shift()!();
    await until(() => answers.length === 1);
    answers.shift()!();
    expect((await test).body.status).toBe('failed');
    expect(receiver.received[3].range).toBeNull();
    expect(receiver.mostInFlight).toBe(1);
  });
});

describe('replays of a webhook', () => {
  it('of the same delivery at the same time are one, and all are at most four requests at a time', async () => {
    const application = await start();
    const { receiver, webhook } = application;
    const sources = await connect(application, 6);
    await Promise.all(sources.map(({ developerId, api }) => write(developerId, api, 'a')));
    await until(async () => (await app.admin.get(`${webhook}/deliveries?status=delivered`)).body.total === 6);
    const ids = receiver.received.map(({ id }) => id);
    const { held, open } = holdAll(receiver);
    const replay = (id: string) => app.admin.post(`${webhook}/deliveries/${id}/replay`, {});
    const answers = await Promise.all(ids.flatMap((id) => Array.from({ length: 5 }, () => replay(id))));
    expect(new Set(statusesOf(answers))).toEqual(new Set([202]));
    await until(() => held.length === 4);
    expect(statusesOf(await Promise.all(ids.map(replay)))).toEqual(ids.map(() => 202));
    open();
    await until(async () => (await app.admin.get(`${webhook}/deliveries?status=delivered`)).body.total === 6);
    expect(
      receiver.received
        .slice(6)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(ids.sort());
    expect(receiver.mostInFlight).toBe(4);
  });

  it('are at most 10 that have not ended, also when they are asked for at once; a change comes in between', async () => {
    const application = await start();
    const { receiver, webhook } = application;
    const [{ developerId, api }] = await connect(application, 1);
    for (let n = 0; n < 210; n++) await write(developerId, api, `k${n}`);
    const position = async () => {
      const [found] = await app.dataSource.query(
        `SELECT due_at IS NOT NULL AS "isDue", (SELECT count(*)::int FROM webhook_positions WHERE ends_at IS NOT NULL)
           AS replays FROM webhook_positions WHERE ends_at IS NULL`,
      );
      return found as { isDue: boolean; replays: number };
    };
    await until(async () => !(await position()).isDue);
    const { held, open } = holdAll(receiver);
    const replay = () => app.admin.post(`${webhook}/replay`, { developerId, since: '1970-01-01T00:00:00Z' });
    const answers = await times(13, replay);
    const refused = answers.filter(({ status }) => status !== 202);
    expect(refused).toHaveLength(3);
    for (const answer of refused) expectError(answer, 409, 'conflict', '10 replays');
    await until(() => held.length === 1);
    const before = receiver.received.length;
    const { updatedAt } = await write(developerId, api, 'new');
    await until(async () => (await position()).isDue);
    open();
    // Ten replays, three messages each. One is under way, so nine others and then the change.
    await until(async () => (await position()).replays === 0);
    const after = receiver.received.slice(before);
    const isOfChange = ({ notifications }: Received) =>
      notifications.some(({ datetime }) => datetime === updatedAt);
    expect(after.findIndex(isOfChange)).toBeLessThanOrEqual(9);
    expect(after.filter((message) => !isOfChange(message))).toHaveLength(29);
    expect((await replay()).status).toBe(202);
  });

  it('of an endpoint that does not answer do not hold up another one', async () => {
    const [hanging, quick] = [await start(), await start()];
    const [{ developerId, api }] = await connect(hanging, 1);
    await write(developerId, api, 'a');
    await until(() => hanging.receiver.messages.length === 1);
    const { held, open } = holdAll(hanging.receiver);
    const range = { developerId, since: '1970-01-01T00:00:00Z' };
    await times(10, () => app.admin.post(`${hanging.webhook}/replay`, range));
    await until(() => held.length > 0);
    const [other] = await connect(quick, 1);
    const { id } = await write(other.developerId, other.api, 'a');
    await until(() => quick.receiver.messages.length === 1);
    await other.api.delete(`${RECORDS}/${id}`);
    await until(() => quick.receiver.messages.length === 2);
    open();
  });
});
